import { z } from 'zod';
import { ObjectMeta } from '../api/meta.ts';
import { ANNOTATION, CREDENTIAL_KIND, MANAGED_LABEL } from '../api/names.ts';
import type { KubeClient } from './client.ts';
import { isNotFound } from './kube-error.ts';
import { metadataOf } from './watch-event.ts';

/** What is read of a Secret's metadata alone: enough to know that it changed, and what stands beside the data of ours. */
export interface SecretMeta {
  readonly metadata: ObjectMeta;
  /** The shard of the credential that it belongs to, where that is another replica's: then only its version is kept. */
  readonly elsewhere?: number;
}

/** Of a credential's UID its shard, where another replica has that. */
export type Elsewhere = (uid: string) => number | undefined;

/** A whole Secret. **Secret.** */
export const Secret = z.object({
  metadata: ObjectMeta,
  type: z.string().default('Opaque'),
  data: z.record(z.string(), z.string()).default({}),
});
export type Secret = z.infer<typeof Secret>;

/** Metadata with nothing left out. */
export function readMeta(raw: unknown): SecretMeta | undefined {
  const metadata = metadataOf(raw);
  return metadata && { metadata };
}

/** Of a stranger's Secret only its version is kept, there may be very many; and of another replica's. */
export function slimSecretMeta(raw: unknown, elsewhere?: Elsewhere): SecretMeta | undefined {
  const read = readMeta(raw);
  if (read === undefined) return undefined;
  const { metadata } = read;
  if (
    metadata.labels?.[MANAGED_LABEL] === undefined &&
    metadata.annotations?.[ANNOTATION.credential] === undefined
  ) {
    return { metadata: versionAlone(metadata) };
  }
  return elsewhere === undefined ? read : slimElsewhere(read, elsewhere);
}

/** A Secret of ours as it is, or its version where its credential is another replica's. */
export function slimElsewhere(secret: SecretMeta, elsewhere: Elsewhere): SecretMeta {
  const { metadata } = secret;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  const shard = owner?.kind === CREDENTIAL_KIND ? elsewhere(owner.uid) : undefined;
  return shard === undefined ? secret : { metadata: versionAlone(metadata), elsewhere: shard };
}

function versionAlone({ name, namespace, resourceVersion }: ObjectMeta): ObjectMeta {
  return { name, namespace, uid: '', resourceVersion, generation: 0 };
}

export function secretPath(namespace: string, name?: string): string {
  const collection = `/api/v1/namespaces/${namespace}/secrets`;
  return name === undefined ? collection : `${collection}/${name}`;
}

/** @param notOlderThan a version that the watch told of; absent: the newest. @returns undefined where there is none. @throws KubeError */
export async function findSecret(
  client: Pick<KubeClient, 'get'>,
  namespace: string,
  name: string,
  notOlderThan?: string,
): Promise<Secret | undefined> {
  try {
    return await client.get(secretPath(namespace, name), Secret, { secret: true, notOlderThan });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** UTF-8 text, or undefined where the bytes are none. */
export function decodeText(base64: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(base64, 'base64'));
  } catch {
    return undefined;
  }
}

export function encodeData(data: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
}
