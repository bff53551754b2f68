import { isIPv4, isIPv6 } from 'node:net';

/** What an IP address is for (IANA's special-purpose registries, and where clouds serve credentials). Pure. */

export type AddressKind =
  | 'public'
  | 'private'
  | 'loopback'
  | 'link-local'
  | 'metadata'
  | 'shared (carrier-grade NAT)'
  | 'unspecified'
  | 'multicast'
  | 'documentation'
  | 'benchmark'
  | 'reserved';

/** 4 or 16 bytes. */
export type AddressBytes = readonly number[];

/** A range of addresses: of `bytes`, the first `bits` count. */
export interface Cidr {
  readonly bytes: AddressBytes;
  readonly bits: number;
}

/** @returns the bytes of an address in its usual spelling, IPv6 with or without zone; undefined for anything else. */
export function parseAddress(text: string): AddressBytes | undefined {
  if (isIPv4(text)) return text.split('.').map(Number);
  const zone = text.indexOf('%');
  const address = zone < 0 ? text : text.slice(0, zone);
  return isIPv6(address) ? expand(address) : undefined;
}

/**
 * @param text `10.0.0.0/8`, `fd00::/8`, or an address alone.
 * @returns undefined when it is no range, or has bits set behind its prefix: `10.1.2.3/8` may mean one host or all of 10/8.
 */
export function parseCidr(text: string): Cidr | undefined {
  const network = parseNetwork(text);
  return network?.bytes.some((byte, i) => (byte & ~mask(network.bits, i)) !== 0) ? undefined : network;
}

/** As {@link parseCidr}, but what is set behind the prefix is passed over, as Go and curl do in NO_PROXY. */
export function parseNetwork(text: string): Cidr | undefined {
  const [address = '', prefix, ...more] = text.split('/');
  const bytes = address.includes('%') ? undefined : parseAddress(address);
  if (bytes === undefined || more.length > 0) return undefined;
  if (prefix !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(prefix)) return undefined;
  const bits = prefix === undefined ? bytes.length * 8 : Number(prefix);
  if (bits > bytes.length * 8) return undefined;
  // a range of mapped addresses is the IPv4 range that it maps
  return bits >= 96 && isMapped(bytes) ? { bytes: bytes.slice(12), bits: bits - 96 } : { bytes, bits };
}

/** Whether `range` has the address, or the whole of another range. */
export function contains(range: Cidr, other: AddressBytes | Cidr): boolean {
  const { bytes, bits } = 'bits' in other ? other : { bytes: other, bits: other.length * 8 };
  if (bytes.length !== range.bytes.length || bits < range.bits) return false;
  return range.bytes.every((byte, i) => ((byte ^ (bytes[i] ?? 0)) & mask(range.bits, i)) === 0);
}

/** What an address is, and where it really leads. */
export interface Classified {
  readonly kind: AddressKind;
  /** The address that is reached: of a mapped or NAT64 address the IPv4 one in it. */
  readonly bytes: AddressBytes;
  /** For kinds that a wide allowance must not open: only an entry within this range does. */
  readonly own?: Cidr;
}

/** @param address bytes of {@link parseAddress}. */
export function classify(address: AddressBytes): Classified {
  const bytes = reached(address);
  const [kind, own] = lookUp(bytes);
  if (own !== undefined || kind === 'public') return { kind, bytes, ...(own && { own }) };
  // Tunnels may lead to what their IPv4 part names; what must not be reached by accident needs this very address allowed.
  for (const inner of tunnelled(bytes)) {
    const [innerKind, innerOwn] = lookUp(inner);
    // zeroes are mostly the padding of another layout
    if (innerOwn !== undefined && innerKind !== 'unspecified')
      return { kind: innerKind, bytes, own: { bytes, bits: 128 } };
  }
  return { kind, bytes };
}

/** The most telling first: one address is a range's exception. */
const TABLE: readonly (readonly [string, AddressKind])[] = [
  ['169.254.169.254', 'metadata'], // AWS, Azure, GCP and most others
  ['169.254.170.2', 'metadata'], // ECS tasks
  ['169.254.170.23', 'metadata'], // EKS pod identity
  ['100.100.100.200', 'metadata'], // Alibaba
  ['168.63.129.16', 'metadata'], // Azure's wire server, amid public space
  ['192.0.0.192', 'metadata'], // Oracle
  ['fd00:ec2::254', 'metadata'], // AWS
  ['fd00:ec2::23', 'metadata'], // EKS pod identity
  ['fd20:ce::254', 'metadata'], // GCP
  ['0.0.0.0/8', 'unspecified'], // Linux connects it to loopback
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared (carrier-grade NAT)'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmark'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['0.0.0.0/0', 'public'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['64:ff9b:1::/48', 'private'], // NAT64 of one's own network
  ['2001:2::/48', 'benchmark'],
  ['2001::/23', 'reserved'], // Teredo among them
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', 'reserved'], // 6to4
  ['3fff::/20', 'documentation'],
  ['2000::/3', 'public'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'private'], // site-local of old
  ['ff00::/8', 'multicast'],
  ['::/0', 'reserved'],
];
const OWN: ReadonlySet<AddressKind> = new Set(['metadata', 'loopback', 'link-local', 'unspecified']);
const RANGES = TABLE.map(([text, kind]) => ({ range: range(text), kind }));

function lookUp(bytes: AddressBytes): readonly [AddressKind, Cidr?] {
  const found = RANGES.find(row => contains(row.range, bytes));
  if (found === undefined) return ['reserved'];
  return OWN.has(found.kind) ? [found.kind, found.range] : [found.kind];
}

const NAT64 = range('64:ff9b::/96');
const NAT64_LOCAL = range('64:ff9b:1::/48');
const COMPATIBLE = range('::/96');
const SIX_TO_FOUR = range('2002::/16');
const TEREDO = range('2001::/32');

function isMapped(bytes: AddressBytes): boolean {
  return (
    bytes.length === 16 && bytes[10] === 255 && bytes[11] === 255 && bytes.slice(0, 10).every(b => b === 0)
  );
}

function reached(bytes: AddressBytes): AddressBytes {
  return isMapped(bytes) || contains(NAT64, bytes) ? bytes.slice(12) : bytes;
}

/** IPv4 addresses that an IPv6 address of a tunnel or translation may stand for. */
function tunnelled(bytes: AddressBytes): readonly AddressBytes[] {
  if (contains(COMPATIBLE, bytes)) return [bytes.slice(12)];
  if (contains(SIX_TO_FOUR, bytes)) return [bytes.slice(2, 6)];
  // the server, and the client with its bits inverted
  if (contains(TEREDO, bytes)) return [bytes.slice(4, 8), bytes.slice(12).map(byte => byte ^ 255)];
  // RFC 6052: bits 64 to 71 are skipped; the prefix within the /48 is the network's choice
  if (contains(NAT64_LOCAL, bytes)) {
    const rest = bytes.filter((_, i) => i !== 8);
    return [bytes.slice(12), rest.slice(6, 10), rest.slice(7, 11), rest.slice(8, 12)];
  }
  return [];
}

/** The bits of byte `i` that a prefix of `bits` covers. */
function mask(bits: number, i: number): number {
  const covered = Math.min(8, Math.max(0, bits - i * 8));
  return (0xff << (8 - covered)) & 0xff;
}

function expand(address: string): AddressBytes {
  // the URL parser spells every form the same way, an IPv4 tail in hexadecimal
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const gap = tail === undefined ? [] : Array<number>(8 - left.length - right.length).fill(0);
  return [...left, ...gap, ...right].flatMap(word => [word >> 8, word & 0xff]);
}

function words(text: string): number[] {
  return text === '' ? [] : text.split(':').map(word => Number.parseInt(word, 16));
}

function range(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a range: ${text}`);
  return parsed;
}
