import { z } from 'zod';
import { beyondLimits } from '../api/limits.ts';
import type { Manifest } from '../api/objects.ts';
import { credentialRefusals, providerRefusals, type Refusal } from '../api/refusals.ts';
import { type Stored, storedObjects } from '../api/stored.ts';
import { type Client, collection } from '../e2e/cluster.ts';
import { installCrds } from './install.ts';

/** What an API server says of an object that must be refused. */
export interface Verdict {
  readonly status: number;
  /** In the server's own words, sorted: `field: message`. */
  readonly causes: readonly string[];
}

/** A row of what must be refused, from either table. */
export interface Row {
  readonly of: string;
  readonly object: Manifest;
  readonly old?: Manifest | undefined;
  readonly field: string;
  readonly says?: string | undefined;
}

export const ROWS: readonly Row[] = [
  ...(['ProviderCredential', 'ClusterTokenProvider'] as const).flatMap(kind =>
    beyondLimits(kind).map(({ of, object, field }) => ({ of: `${kind} ${of} at ${field}`, object, field })),
  ),
  ...[...credentialRefusals, ...providerRefusals].map((row: Refusal): Row => row),
];

const Answer = z.object({
  metadata: z.object({ resourceVersion: z.string().default('') }),
  details: z
    .object({ causes: z.array(z.object({ field: z.string(), message: z.string() })).default([]) })
    .default({ causes: [] }),
});
const Named = z.object({
  kind: z.enum(['ProviderCredential', 'ClusterTokenProvider']),
  metadata: z.object({ name: z.string() }),
});

const AT_ONCE = 16;

/** Asks a server about every row. Nothing is stored but what a row needs beforehand, in the namespace and in `<namespace>-before`. */
export async function verdicts(client: Client, namespace: string): Promise<ReadonlyMap<string, Verdict>> {
  const before = `${namespace}-before`;
  await installCrds(client);
  for (const name of [namespace, before]) {
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const versions = new Map<Stored['kind'], string>();
  for (const { kind, object } of storedObjects()) {
    if (versions.has(kind)) continue;
    versions.set(
      kind,
      await create(client, named({ ...object }, namespace, `${namespace}-stored`), namespace),
    );
  }
  const ask = async ({ object, old, field }: Row): Promise<Verdict> => {
    const { kind, metadata } = Named.parse(object);
    if (field.startsWith('status')) {
      const name = `${namespace}-stored`;
      const version = versions.get(kind) ?? '';
      const path = `${collection(kind, namespace)}/${name}/status?dryRun=All`;
      return verdict(await client.send('PUT', path, named({ ...object }, namespace, name, version)));
    }
    if (old === undefined) {
      const path = `${collection(kind, namespace)}?dryRun=All`;
      return verdict(await client.send('POST', path, named(object, namespace, metadata.name)));
    }
    const path = `${collection(kind, before)}/${metadata.name}`;
    const version = await create(client, named(old, before, metadata.name), before);
    const body = named(object, before, metadata.name, version);
    const said = verdict(await client.send('PUT', `${path}?dryRun=All`, body));
    await client.send('DELETE', path);
    return said;
  };
  const found = new Map<string, Verdict>();
  const [changes, others] = [ROWS.filter(row => row.old), ROWS.filter(row => !row.old)];
  for (const row of changes) found.set(row.of, await ask(row));
  for (let at = 0; at < others.length; at += AT_ONCE) {
    const rows = others.slice(at, at + AT_ONCE);
    await Promise.all(rows.map(async row => found.set(row.of, await ask(row))));
  }
  for (const { kind } of storedObjects()) {
    await client.send('DELETE', `${collection(kind, namespace)}/${namespace}-stored`);
  }
  return found;
}

/** The object under another name, with nothing in its metadata that only a server gives. */
function named(object: Manifest, namespace: string, name: string, resourceVersion?: string): Manifest {
  const { kind } = Named.parse(object);
  const metadata: Manifest = { name };
  if (kind === 'ProviderCredential') metadata.namespace = namespace;
  if (resourceVersion !== undefined) metadata.resourceVersion = resourceVersion;
  return { ...object, metadata };
}

/** @returns its resourceVersion. */
async function create(client: Client, object: Manifest, namespace: string): Promise<string> {
  const { status, body } = await client.send('POST', collection(Named.parse(object).kind, namespace), object);
  if (status !== 201) throw new Error(`not created: ${JSON.stringify(body)}`);
  return Answer.parse(body).metadata.resourceVersion;
}

function verdict({ status, body }: { status: number; body: unknown }): Verdict {
  const { details } = Answer.parse(body);
  return { status, causes: details.causes.map(({ field, message }) => `${field}: ${message}`).toSorted() };
}
