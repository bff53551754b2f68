import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { CREDENTIAL_KIND, PROVIDER_KIND } from '../../src/api/names.ts';

/** Objects as an API server held them under a release, with every field that it knew. They are added to, and never edited. */
export interface Stored {
  /** `v1alpha1/providercredential-0.1.yaml`. */
  readonly file: string;
  readonly kind: typeof CREDENTIAL_KIND | typeof PROVIDER_KIND;
  readonly name: string;
  /** Absent where the kind has none. */
  readonly namespace: string | undefined;
  readonly object: Readonly<Record<string, z.core.util.JSONType>>;
}

const StoredObject = z.object({
  kind: z.enum([CREDENTIAL_KIND, PROVIDER_KIND]),
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
});

const FOLDER = new URL('stored/', import.meta.url);

export function storedObjects(): Stored[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.yaml'))
    .toSorted()
    .map(file => {
      const object: unknown = parse(readFileSync(new URL(file, FOLDER), 'utf8'));
      const { kind, metadata } = StoredObject.parse(object);
      return {
        file,
        kind,
        name: metadata.name,
        namespace: metadata.namespace,
        object: z.record(z.string(), z.json()).parse(object),
      };
    });
}
