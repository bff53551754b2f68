import { badRequest } from './errors.ts';
import type { KubeObject } from './json.ts';

/** `shardSelector` as kube-apiserver 1.36 reads it: ranges of the 64-bit FNV-1a hash of a UID or a namespace, joined by `||`. */
export interface Shards {
  /** As the list's metadata tells it back. */
  readonly selector: string;
  readonly matches: (object: KubeObject) => boolean;
}

const RANGE =
  /^shardRange\(\s*object\.metadata\.(uid|namespace)\s*,\s*'(0x[0-9a-f]{16})'\s*,\s*'(0x[0-9a-f]{16}|0x10000000000000000)'\s*\)$/;

/** @returns undefined where none is asked for. */
export function readShards(params: URLSearchParams): Shards | undefined {
  const text = params.get('shardSelector') ?? '';
  if (text === '') return undefined;
  const ranges = text.split('||').map(part => {
    const [, field, start = '', end = ''] = RANGE.exec(part.trim()) ?? [];
    if (field === undefined || BigInt(start) >= BigInt(end))
      throw badRequest(`invalid shard selector: ${JSON.stringify(part)}`);
    return { field, start: BigInt(start), end: BigInt(end), text: part.trim() };
  });
  if (new Set(ranges.map(({ field }) => field)).size > 1)
    throw badRequest('invalid shard selector: all shard ranges must use the same field');
  return {
    selector: ranges.map(range => range.text).join(' || '),
    matches: ({ metadata }) =>
      ranges.some(({ field, start, end }) => {
        const hash = fnv1a64(field === 'uid' ? metadata.uid : (metadata.namespace ?? ''));
        return start <= hash && hash < end;
      }),
  };
}

/** Written apart from the operator's own, so that one checks the other. */
function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
