/**
 * Shards: equal ranges of the 64-bit FNV-1a hash of an object's UID, by the very hash and bounds of kube-apiserver's
 * `shardSelector` (KEP-5866). Shard i of n has [floor(i * 2^64 / n), floor((i + 1) * 2^64 / n)). Pure.
 */

const TWO_32 = 2 ** 32;
const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
/** The prime is 2^40 + this. */
const PRIME_LOW = 0x1b3;

/** The hash in two halves of 32 bits: numbers, since a bigint for each byte of each UID would cost ten times as much. */
export function fnv1a64(text: string): { readonly high: number; readonly low: number } {
  let high = OFFSET_HIGH;
  let low = OFFSET_LOW;
  for (const byte of bytesOf(text)) {
    low = (low ^ byte) >>> 0;
    const product = low * PRIME_LOW;
    // 2^40 * low: its upper half is low * 2^8
    high = (high * PRIME_LOW + Math.floor(product / TWO_32) + ((low << 8) >>> 0)) % TWO_32;
    low = product % TWO_32;
  }
  return { high, low };
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(256);

function bytesOf(text: string): Uint8Array {
  const { read, written } = encoder.encodeInto(text, scratch);
  return read === text.length ? scratch.subarray(0, written) : encoder.encode(text);
}

/** The shard that an object belongs to, from 0. */
export function shardOf(uid: string, shards: number): number {
  if (shards === 1) return 0;
  const { high, low } = fnv1a64(uid);
  // floor((hash * n + n - 1) / 2^64): the last shard that begins at or before the hash
  return Math.floor((high * shards + Math.floor((low * shards + shards - 1) / TWO_32)) / TWO_32);
}

/** From the first hash of a shard to that after its last. */
export function rangeOf(shard: number, shards: number): { readonly start: bigint; readonly end: bigint } {
  const bound = (index: number): bigint => (BigInt(index) << 64n) / BigInt(shards);
  return { start: bound(shard), end: bound(shard + 1) };
}

/**
 * What a list or watch of some shards asks for; neighbours are one range. A server that does not know the parameter
 * ignores it.
 * @returns undefined when that is everything, or nothing.
 */
export function shardSelector(owned: Iterable<number>, shards: number): string | undefined {
  const sorted = [...owned].toSorted((a, b) => a - b);
  if (sorted.length === 0 || sorted.length >= shards) return undefined;
  const ranges: { start: bigint; end: bigint }[] = [];
  for (const shard of sorted) {
    const range = rangeOf(shard, shards);
    const last = ranges.at(-1);
    if (last?.end === range.start) last.end = range.end;
    else ranges.push({ ...range });
  }
  return ranges
    .map(({ start, end }) => `shardRange(object.metadata.uid, '${hex(start)}', '${hex(end)}')`)
    .join(' || ');
}

/** The server wants just 16 digits, and 17 for the end of all. */
const hex = (bound: bigint): string => `0x${bound.toString(16).padStart(16, '0')}`;
