import { z } from 'zod';
import { ObjectMeta } from '../api/meta.ts';
import { ANNOTATION, MANAGED_LABEL } from '../api/names.ts';

/** What is read of a Secret's metadata alone: enough to know that it changed, and what stands beside the data of ours. */
export const SecretMeta = z.object({ metadata: ObjectMeta });
export type SecretMeta = z.infer<typeof SecretMeta>;

/** A whole Secret. **Secret.** */
export const Secret = z.object({
  metadata: ObjectMeta,
  type: z.string().default('Opaque'),
  data: z.record(z.string(), z.string()).default({}),
});
export type Secret = z.infer<typeof Secret>;

/** Asks for metadata in place of the object, also in answer to a write. */
export const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** Metadata with nothing left out. */
export function readMeta(raw: unknown): SecretMeta | undefined {
  const parsed = SecretMeta.safeParse(raw);
  return parsed.success ? parsed.data : undefined;
}

/** Of a stranger's Secret only its version is kept: there may be very many. */
export function slimSecretMeta(raw: unknown): SecretMeta | undefined {
  const parsed = SecretMeta.safeParse(raw);
  if (!parsed.success) return undefined;
  const { metadata } = parsed.data;
  const { name, namespace, uid, resourceVersion, generation } = metadata;
  if (
    metadata.labels?.[MANAGED_LABEL] === undefined &&
    metadata.annotations?.[ANNOTATION.credential] === undefined
  ) {
    return { metadata: { name, namespace, uid, resourceVersion, generation } };
  }
  return parsed.data;
}

export function secretPath(namespace: string, name?: string): string {
  const collection = `/api/v1/namespaces/${namespace}/secrets`;
  return name === undefined ? collection : `${collection}/${name}`;
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
