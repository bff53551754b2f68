import { z } from 'zod';
import { DIGEST_KEY_SECRET, MANAGED_LABEL } from '../api/names.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isNotFound, isRetriable, KubeError } from './kube-error.ts';
import { decodeText, encodeData, Secret, secretPath } from './secret.ts';

export interface DigestKey {
  readonly id: string;
  readonly key: Uint8Array;
}

const KeyData = z.object({ id: z.string().regex(/^[a-z0-9]{4,32}$/), key: z.string().min(40) });

/**
 * The key of all digests, from its Secret in the operator's namespace; made there at the first start.
 * @throws KubeError for what may pass; an Error that says what to do for all else.
 */
export async function loadDigestKey(
  client: KubeClient,
  namespace: string,
  randomBytes: (size: number) => Uint8Array,
): Promise<DigestKey> {
  try {
    return await loadOrCreate(client, namespace, randomBytes);
  } catch (error) {
    if (!(error instanceof KubeError) || isRetriable(error)) throw error;
    throw new Error(
      `cannot read or create Secret ${namespace}/${DIGEST_KEY_SECRET} (${error.message}): see that namespace ${namespace} exists (--operator-namespace) and that the operator may get and create Secrets there`,
    );
  }
}

async function loadOrCreate(
  client: KubeClient,
  namespace: string,
  randomBytes: (size: number) => Uint8Array,
): Promise<DigestKey> {
  const read = async (): Promise<DigestKey> =>
    keyOf(await client.get(secretPath(namespace, DIGEST_KEY_SECRET), Secret, { secret: true }), namespace);
  try {
    return await read();
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const id = Buffer.from(randomBytes(4)).toString('hex');
  const key = Buffer.from(randomBytes(32));
  const body = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: DIGEST_KEY_SECRET, namespace, labels: { [MANAGED_LABEL]: 'true' } },
    type: 'Opaque',
    data: encodeData({ id, key: key.toString('base64') }),
  };
  try {
    await client.create(secretPath(namespace), body, Secret, { secret: true });
    return { id, key };
  } catch (error) {
    // Another replica was quicker.
    if (isAlreadyExists(error)) return await read();
    throw error;
  }
}

function keyOf(secret: Secret, namespace: string): DigestKey {
  const text = (name: string): string | undefined =>
    secret.data[name] === undefined ? undefined : decodeText(secret.data[name]);
  const parsed = KeyData.safeParse({ id: text('id'), key: text('key') });
  if (!parsed.success) {
    throw new Error(
      `Secret ${namespace}/${DIGEST_KEY_SECRET} does not hold a digest key: restore its keys "id" and "key", or delete it and a new one is made`,
    );
  }
  return { id: parsed.data.id, key: Buffer.from(parsed.data.key, 'base64') };
}
