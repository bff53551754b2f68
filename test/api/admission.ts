import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Cause } from '../../sandbox/apiserver/errors.ts';
import { makeKind } from '../../sandbox/apiserver/kind.ts';
import { normalise, Schema } from '../../sandbox/apiserver/schema.ts';
import { blocksRules } from '../../sandbox/apiserver/validate.ts';
import { CREDENTIAL_KIND, PROVIDER_KIND } from '../../src/api/names.ts';
import type { Manifest } from './objects.ts';

/** What an API server does with an object, by the committed CRDs: prune, fill in defaults, validate. */

const Crd = z.object({
  spec: z.object({
    group: z.string(),
    scope: z.string(),
    names: z.object({ kind: z.string(), plural: z.string() }),
    versions: z.tuple([z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: Schema }) })]),
  }),
});

export function committedCrd(file: string) {
  const { spec } = Crd.parse(parse(readFileSync(new URL(`../../crds/${file}`, import.meta.url), 'utf8')));
  const [version] = spec.versions;
  return {
    schema: version.schema.openAPIV3Schema,
    kind: makeKind({
      group: spec.group,
      version: version.name,
      kind: spec.names.kind,
      plural: spec.names.plural,
      namespaced: spec.scope === 'Namespaced',
      schema: version.schema.openAPIV3Schema,
      columns: [],
    }),
  };
}

export const CRDS = {
  [CREDENTIAL_KIND]: committedCrd('tokensync.dev_providercredentials.yaml'),
  [PROVIDER_KIND]: committedCrd('tokensync.dev_clustertokenproviders.yaml'),
};

export interface Admitted {
  readonly object: unknown;
  /** Fields that the schema does not know, and so are dropped. */
  readonly unknown: readonly string[];
  readonly causes: readonly Cause[];
}

export function admit(manifest: Manifest, old?: Manifest): Admitted {
  const kind = manifest.kind === CREDENTIAL_KIND ? CRDS[CREDENTIAL_KIND].kind : CRDS[PROVIDER_KIND].kind;
  const unknown: string[] = [];
  const object = normalise(manifest, undefined, kind.schema, unknown);
  const before = old && normalise(old, undefined, kind.schema, []);
  const fields = z.record(z.string(), z.json()).parse(object);
  const causes = (kind.schema.required ?? [])
    .filter(key => !(key in fields))
    .map(field => ({ reason: 'FieldValueRequired', message: 'Required value', field }));
  for (const [key, validate] of kind.validators) {
    const value = fields[key];
    if (value !== undefined) causes.push(...validate(value, key));
  }
  if (!blocksRules(causes)) causes.push(...kind.rules(object, before, ''));
  return { object, unknown, causes };
}
