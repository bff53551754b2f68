/**
 * 32 bits that depend on a text alone, evenly spread: FNV-1a, and the last step of MurmurHash3 for texts that differ in their
 * end alone. For what must be quick and nobody gains by guessing.
 * @param seed another one makes another number of the same text.
 */
export function mix(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
