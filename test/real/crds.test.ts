import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { isObject, type JsonObject } from '../../sandbox/apiserver/json.ts';
import { createAuthority } from '../../sandbox/certificates.ts';
import { readYaml } from '../../sandbox/world.ts';
import { CRDS } from '../api/admission.ts';
import { credential, merge, provider } from '../api/objects.ts';
import { accepted } from '../api/refusals.ts';
import { nodes } from '../api/schema-nodes.ts';
import { storedObjects } from '../api/stored.ts';
import { type Client, collection, type SandboxCluster, sandboxCluster } from '../e2e/cluster.ts';
import { kubectl, type RunningControlPlane, startControlPlane } from './control-plane.ts';
import { clientOf, installCrds } from './install.ts';
import { ROWS, type Verdict, verdicts } from './verdicts.ts';

/** What a real API server makes of the CRDs, and of objects by them. */

const NAMESPACE = 'crds';
const KINDS = ['ProviderCredential', 'ClusterTokenProvider'] as const;
// One of its own: operators of other files would write status of the definitions here.
let plane: RunningControlPlane;
const ask = (...args: string[]) => kubectl(plane.kubeconfig, args);
let client: Client;

beforeAll(async () => {
  plane = await startControlPlane();
  client = clientOf(plane);
  await installCrds(client);
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
}, 120_000);
afterAll(async () => {
  await client.close();
  await plane.stop();
});

/** The same CRDs under names of their own, to be changed as one likes: `<as>providercredentials` of `<as>.example.org`. */
function crdsAs(as: string, change: (crd: string) => string = crd => crd): string {
  return readYaml('crds')
    .map(crd =>
      change(stringify(crd))
        .replaceAll('tokensync.dev', `${as}.example.org`)
        .replace(/(providercredential|clustertokenprovider)/g, `${as}$1`)
        .replace(/ *(shortNames|categories):\n.*\n/g, ''),
    )
    .join('---\n');
}

describe('the CRDs', () => {
  test('are established, structural, and within the cost that CEL may have', async () => {
    for (const item of (await client.list('CustomResourceDefinition')).items) {
      if (!item.metadata.name.endsWith('.tokensync.dev')) continue;
      const { conditions } = z
        .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) })
        .parse(item.status);
      const said = Object.fromEntries(conditions.map(({ type, status }) => [type, status]));
      // A schema that is not structural has a condition of its own; CEL that costs too much is refused.
      expect(said, item.metadata.name).toEqual({ NamesAccepted: 'True', Established: 'True' });
    }
  });

  test.each([['--server-side'], ['--server-side=false']])(
    'are applied by kubectl apply %s, and again without a change',
    async how => {
      const as = how === '--server-side' ? 'serverside' : 'clientside';
      const file = crdsAs(as);
      const apply = () => kubectl(plane.kubeconfig, ['apply', how, '-f', '-'], { input: file });
      const first = await apply();
      expect([first.code, first.stderr]).toEqual([0, '']);
      const versions = () =>
        ask(
          'get',
          'crd',
          '-o',
          'jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}',
        );
      const of = async () =>
        (await versions()).stdout
          .split('\n')
          .filter(line => line.includes(how === '--server-side' ? 'server.' : 'client.'));
      await ask('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s');
      const before = await of();
      const again = await apply();
      expect(again.code).toBe(0);
      if (how !== '--server-side') expect(again.stdout.match(/ unchanged$/gm)).toHaveLength(2);
      expect(await of()).toEqual(before);
      await kubectl(plane.kubeconfig, ['delete', '--wait=false', '-f', '-'], { input: file });
    },
  );

  test('explain every field of a spec', async () => {
    const target = await ask('explain', 'pcred.spec.target');
    expect(target.stdout).toMatch(/KIND: +ProviderCredential/);
    expect(target.stdout).toContain('Where the token goes.');
    expect(target.stdout).toMatch(/deletionPolicy\t<string>\n +enum: Delete, Retain\n/);
    for (const kind of KINDS) {
      const { stdout } = await ask('explain', `${kind.toLowerCase()}.spec`);
      for (const [name, { description = '' }] of Object.entries(
        CRDS[kind].schema.properties?.spec?.properties ?? {},
      )) {
        const said =
          new RegExp(`^  ${name}\\t.*\\n(?:  enum.*\\n)?((?:    .*\\n)+)`, 'm').exec(stdout)?.[1] ?? '';
        expect(said.replace(/\s+/g, ' ').trim(), name).toBe(description);
      }
    }
  });

  test('fill in their defaults, as one sees on reading', async () => {
    await client.apply(merge(credential({}, 'defaults'), { metadata: { namespace: NAMESPACE } }), NAMESPACE);
    await client.apply(provider({}, 'crds-defaults'));
    const made = await client.get('ProviderCredential', 'defaults', NAMESPACE);
    expect(made).toMatchObject({
      spec: {
        providerRef: { kind: 'ClusterTokenProvider', name: 'admintotal' },
        parameters: {},
        source: { secretRef: { name: 'acme-login' }, keys: {} },
        target: { type: 'Opaque', deletionPolicy: 'Delete' },
        suspend: false,
      },
      status: { observedGeneration: -1 },
    });
    expect(await client.get('ClusterTokenProvider', 'crds-defaults')).toMatchObject({
      spec: {
        allowedNamespaces: { from: 'All' },
        parameters: [],
        network: { allowCIDRs: [], allowHTTP: false },
        limits: { concurrency: 4, timeout: '10s' },
        flows: [
          {
            login: { maxRejections: 3, request: { method: 'POST' }, response: { format: 'json' } },
            usage: { header: 'Authorization', value: 'Bearer $(token)' },
          },
        ],
      },
    });
    await client.send('DELETE', `${collection('ClusterTokenProvider', '')}/crds-defaults`);
  });
});

describe('what is refused', () => {
  let sandbox: SandboxCluster;
  let real: ReadonlyMap<string, Verdict>;
  let embedded: ReadonlyMap<string, Verdict>;

  beforeAll(async () => {
    sandbox = await sandboxCluster(await createAuthority());
    [real, embedded] = await Promise.all([
      verdicts(client, `${NAMESPACE}-refused`),
      verdicts(sandbox.client, `${NAMESPACE}-refused`),
    ]);
  }, 120_000);
  afterAll(() => sandbox.close());

  test('is every row of the table and every value beyond a limit, at its field, with its message', () => {
    expect(real.size).toBe(ROWS.length);
    expect(real.size).toBeGreaterThan(500);
    const missed = ROWS.filter(({ of, field, says = '' }) => {
      const { status = 0, causes = [] } = real.get(of) ?? {};
      return status !== 422 || !causes.some(cause => cause.startsWith(`${field}: `) && cause.includes(says));
    });
    expect(missed.map(({ of }) => [of, real.get(of)])).toEqual([]);
  });

  test('is refused by the sandbox in the same words', () => {
    const differ = ROWS.filter(({ of }) => JSON.stringify(real.get(of)) !== JSON.stringify(embedded.get(of)));
    expect(differ.map(({ of }) => [of, real.get(of), embedded.get(of)])).toEqual([]);
  });

  test.each(KINDS)('has a row for each rule of a %s', kind => {
    const said = ROWS.filter(({ object }) => object.kind === kind).flatMap(
      ({ of }) => real.get(of)?.causes ?? [],
    );
    const rules = nodes(CRDS[kind].schema).flatMap(({ path, schema }) =>
      (schema['x-kubernetes-validations'] ?? []).map(({ message = '', fieldPath = '' }) => {
        const place = `${path}${fieldPath}`.replace(/^\./, '');
        return { place: place === '' ? '<nil>' : place, message };
      }),
    );
    expect(rules.length).toBeGreaterThan(10);
    const silent = rules.filter(
      ({ place, message }) =>
        !said.some(
          cause => cause.endsWith(message) && schemaPath(cause.slice(0, cause.indexOf(': '))) === place,
        ),
    );
    expect(silent).toEqual([]);
  });
});

/** `spec.flows[0].login` as `spec.flows[].login`, `spec.target.labels[a]` as `spec.target.labels{}`. */
function schemaPath(field: string): string {
  return field.replace(/\[\d+\]/g, '[]').replace(/\[[^\]]+\]/g, '{}');
}

test('what looks much like the refused is accepted', async () => {
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${NAMESPACE}-accepted` } });
  for (const { of, object, old } of accepted) {
    const kind = object.kind === 'ProviderCredential' ? 'ProviderCredential' : 'ClusterTokenProvider';
    const metadata = z.looseObject({ name: z.string() }).parse(object.metadata);
    const namespace = kind === 'ProviderCredential' ? { namespace: `${NAMESPACE}-accepted` } : {};
    const path = collection(kind, `${NAMESPACE}-accepted`);
    const as = (each: JsonObject): JsonObject => ({
      ...each,
      metadata: { name: metadata.name, ...namespace },
    });
    if (old === undefined) {
      const { status, body } = await client.send('POST', `${path}?dryRun=All`, as(object));
      expect([of, status, JSON.stringify(body)]).toMatchObject([of, 201, expect.any(String)]);
      continue;
    }
    const name = `${path}/${metadata.name}`;
    expect((await client.send('POST', path, as(old))).status, of).toBe(201);
    expect(
      await client.send('PATCH', `${name}?dryRun=All&fieldManager=x&force=true`, as(object)),
      of,
    ).toMatchObject({ status: 200 });
    await client.send('DELETE', name);
  }
});

describe('an object that a release has stored', () => {
  const stored = storedObjects();

  /** Writes it, status included, reads it, and removes it. */
  async function through(each: (typeof stored)[number], as?: string): Promise<JsonObject> {
    const name = `${NAMESPACE}-stored`;
    const path = pathAs(collection(each.kind, NAMESPACE), as);
    const metadata = { ...(each.namespace === undefined ? {} : { namespace: NAMESPACE }), name };
    const apiVersion = as === undefined ? 'tokensync.dev/v1alpha1' : `${as}.example.org/v1alpha1`;
    const object = { ...each.object, apiVersion, metadata };
    const made = await client.send('POST', path, object);
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    const put = await client.send('PUT', `${path}/${name}/status`, {
      ...object,
      metadata: { ...metadata, resourceVersion: versionOf(made.body) },
    });
    expect(put.status, JSON.stringify(put.body)).toBe(200);
    const found = await read(`${path}/${name}`);
    await client.send('DELETE', `${path}/${name}`);
    return found;
  }

  async function read(path: string): Promise<JsonObject> {
    const { status, body } = await client.send('GET', path);
    expect(status).toBe(200);
    return isObject(body as JsonObject) ? (body as JsonObject) : {};
  }

  test.each(stored.map(each => [each.file, each] as const))(
    'is taken and read again, not one field lost or changed: %s',
    async (_, each) => {
      const { spec, status } = await through(each);
      expect({ spec, status }).toEqual({ spec: each.object.spec, status: each.object.status });
    },
  );

  test('of a CRD that knew less is still there, and read, after the CRD of today is applied', async () => {
    const as = 'older';
    const group = `${as}.example.org`;
    // As a CRD was that had neither suspend nor schedule, nor what status starts with.
    const older = (crd: string): string => {
      const tree = parse(crd) as { spec: { versions: [{ schema: { openAPIV3Schema: JsonObject } }] } };
      const { properties } = z
        .object({
          properties: z.record(
            z.string(),
            z.looseObject({ properties: z.record(z.string(), z.unknown()).optional() }),
          ),
        })
        .parse(tree.spec.versions[0].schema.openAPIV3Schema);
      delete properties.spec?.properties?.suspend;
      delete properties.spec?.properties?.schedule;
      delete properties.status?.default;
      tree.spec.versions[0].schema.openAPIV3Schema.properties = properties as JsonObject;
      return stringify(tree);
    };
    const apply = async (file: string): Promise<void> => {
      const applied = await kubectl(plane.kubeconfig, ['apply', '--server-side', '-f', '-'], { input: file });
      expect([applied.code, applied.stderr]).toEqual([0, '']);
    };
    await apply(crdsAs(as, older));
    await ask(
      'wait',
      '--for=condition=Established',
      `crd/${as}providercredentials.${group}`,
      '--timeout=30s',
    );
    const path = pathAs(collection('ProviderCredential', NAMESPACE), as);
    const made = { ...credential({}, 'kept'), apiVersion: `${group}/v1alpha1` };
    const late = AbortSignal.timeout(30_000);
    while ((await client.send('POST', path, { ...made, metadata: { name: 'kept' } })).status !== 201) {
      if (late.aborted) throw new Error('never served');
    }
    const before = await read(`${path}/kept`);
    expect(before).not.toHaveProperty('spec.suspend');
    expect(before).not.toHaveProperty('status');
    await apply(crdsAs(as));
    // The server takes up the new schema a moment later.
    let after = before;
    while (!isObject(after.status) && !late.aborted) after = await read(`${path}/kept`);
    expect(after).toMatchObject({
      metadata: { uid: isObject(before.metadata) ? before.metadata.uid : '', generation: 1 },
      spec: { ...(isObject(before.spec) ? before.spec : {}), suspend: false },
      status: { observedGeneration: -1 },
    });
    for (const each of stored.filter(({ kind }) => kind === 'ProviderCredential')) {
      const { spec, status } = await through(each, as);
      expect({ spec, status }).toEqual({ spec: each.object.spec, status: each.object.status });
    }
    await kubectl(plane.kubeconfig, ['delete', '--wait=false', '-f', '-'], { input: crdsAs(as) });
  });
});

function pathAs(path: string, as: string | undefined): string {
  return as === undefined
    ? path
    : path
        .replace('tokensync.dev', `${as}.example.org`)
        .replace(/(providercredentials|clustertokenproviders)$/, `${as}$1`);
}

function versionOf(body: unknown): string {
  return z.object({ metadata: z.object({ resourceVersion: z.string() }) }).parse(body).metadata
    .resourceVersion;
}
