import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { secret } from '../../sandbox/fixtures.ts';
import { type Manifest, only, render } from '../deploy/render.ts';
import { kubectl, type Ran } from './control-plane.ts';
import { clientOf, installCrds } from './install.ts';
import { eventually } from './shipped.ts';

/** Writing a credential gives nobody more than they have: the shipped policy and roles, on a real API server. */

const { kubeconfig, ...plane } = inject('controlPlane');
const namespace = `authors-${randomBytes(4).toString('hex')}`;
const shipped = render('deploy');

const POLICIES = ['tokensync-authors', 'tokensync-operator'];
const SOURCE = 'acme-login';
const EDITS = ['tokensync-view', 'tokensync-edit'].map(name => ({ kind: 'ClusterRole', name }));
const READS_SOURCE = { apiGroups: [''], resources: ['secrets'], resourceNames: [SOURCE], verbs: ['get'] };
const MAKES_SECRETS = { apiGroups: [''], resources: ['secrets'], verbs: ['create'] };

/** Has all rights on Secrets, as the operator has them. */
const OPERATOR = `system:serviceaccount:${namespace}:tokensync`;

/** Who takes part, and what they may do in the namespace. */
const PEOPLE: Readonly<Record<string, { bound?: readonly JsonObject[]; rules?: readonly JsonObject[] }>> = {
  author: { bound: EDITS, rules: [READS_SOURCE, MAKES_SECRETS] },
  blind: { bound: EDITS, rules: [MAKES_SECRETS] },
  elsewhere: {
    bound: EDITS,
    rules: [{ ...READS_SOURCE, resourceNames: ['another'] }, MAKES_SECRETS],
  },
  reader: { bound: EDITS, rules: [READS_SOURCE] },
  // as a GitOps controller has it
  editor: { bound: [{ kind: 'ClusterRole', name: 'edit' }] },
  viewer: { bound: [{ kind: 'ClusterRole', name: 'view' }] },
  [OPERATOR]: {
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['*'] }],
  },
  teller: {
    rules: [
      { apiGroups: ['tokensync.dev'], resources: ['providercredentials/status'], verbs: ['get', 'patch'] },
    ],
  },
};

function as(person: string, args: readonly string[], input?: JsonObject): Promise<Ran> {
  return kubectl(kubeconfig, [`--as=${person}`, `--namespace=${namespace}`, ...args], {
    ...(input === undefined ? {} : { input: JSON.stringify(input) }),
  });
}

const admin = (args: readonly string[], input: readonly (JsonObject | Manifest)[]): Promise<Ran> =>
  kubectl(kubeconfig, args, { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: input }) });

function credential(name: string, spec: JsonObject = {}, within = namespace): JsonObject {
  return {
    apiVersion: 'tokensync.dev/v1alpha1',
    kind: 'ProviderCredential',
    metadata: { name, namespace: within },
    spec: { providerRef: { name: 'pgf' }, source: { secretRef: { name: SOURCE } }, ...spec },
  };
}

async function succeeds(running: Promise<Ran>): Promise<string> {
  const { code, stdout, stderr } = await running;
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function refused(running: Promise<Ran>): Promise<string> {
  const { code, stderr } = await running;
  expect(code).toBe(1);
  return stderr;
}

const rbac = 'rbac.authorization.k8s.io';

function rights(): JsonObject[] {
  return Object.entries(PEOPLE).flatMap(([person, { bound = [], rules = [] }]) => {
    const own = rules.length === 0 ? [] : [{ kind: 'Role', name: person }];
    return [
      ...own.map(() => ({
        apiVersion: `${rbac}/v1`,
        kind: 'Role',
        metadata: { name: person, namespace },
        rules: [...rules],
      })),
      ...[...bound, ...own].map((role, index) => ({
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata: { name: `${person}-${index}`, namespace },
        roleRef: { apiGroup: rbac, ...role },
        subjects: [{ apiGroup: rbac, kind: 'User', name: person }],
      })),
    ];
  });
}

beforeAll(async () => {
  const client = clientOf(plane);
  await installCrds(client);
  await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await client.close();
  await succeeds(
    admin(
      ['apply', '-f', '-'],
      [
        only(shipped, 'ClusterRole', 'tokensync-view'),
        only(shipped, 'ClusterRole', 'tokensync-edit'),
        ...shipped.filter(({ kind }) => kind.startsWith('ValidatingAdmissionPolicy')),
        secret(namespace, SOURCE, { username: 'ada', password: 'c4n4ry' }),
        ...rights(),
      ],
    ),
  );
  // policies and aggregated roles take effect a moment after they are stored
  await eventually('the policy is in force', async () => {
    const { code, stderr } = await as(
      'blind',
      ['create', '--dry-run=server', '-f', '-'],
      credential('probe'),
    );
    return code === 1 && stderr.includes('ValidatingAdmissionPolicy');
  });
  await eventually('edit has what is added to it', async () => {
    const { code } = await as('editor', ['auth', 'can-i', 'create', 'providercredentials', '--quiet']);
    return code === 0;
  });
}, 120_000);

afterAll(async () => {
  for (const kind of ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'])
    await kubectl(kubeconfig, ['delete', kind, ...POLICIES]);
  await kubectl(kubeconfig, ['delete', 'namespace', namespace, '--wait=false']);
});

describe('who writes a credential', () => {
  test('must be allowed to get the Secret that it names', async () => {
    expect(await refused(as('blind', ['create', '-f', '-'], credential('blind')))).toContain(
      `you may not get Secret ${SOURCE} in namespace ${namespace}, so you cannot have it sent to a provider. Ask for a Role`,
    );
    // by its name: another one's is not enough
    expect(await refused(as('elsewhere', ['create', '-f', '-'], credential('elsewhere')))).toContain(
      `you may not get Secret ${SOURCE}`,
    );
  });

  test('must be allowed to create Secrets', async () => {
    expect(await refused(as('reader', ['create', '-f', '-'], credential('reader')))).toContain(
      `you may not create Secrets in namespace ${namespace}, so you cannot have one written. Ask for a Role`,
    );
  });

  test('may do so with both, by hand or as a GitOps controller with the role edit', async () => {
    await succeeds(as('author', ['apply', '-f', '-'], credential('by-author')));
    await succeeds(
      as(
        'editor',
        ['apply', '--server-side', '-f', '-'],
        credential('by-editor', { target: { name: 'of-editor' } }),
      ),
    );
    await succeeds(as('editor', ['apply', '--server-side', '-f', '-'], credential('by-editor')));
  });

  test('reads with view, and writes nothing with it', async () => {
    await succeeds(as('viewer', ['get', 'providercredentials']));
    expect(await refused(as('viewer', ['create', '-f', '-'], credential('viewer')))).toContain(
      'cannot create resource',
    );
  });

  test.each(['patch', 'update'])('may not %s its status with edit', async verb => {
    const asked = ['auth', 'can-i', verb, 'providercredentials', '--subresource=status'];
    expect((await as('editor', asked)).stdout).toBe('no\n');
    expect((await as('teller', asked)).stdout).toBe(verb === 'patch' ? 'yes\n' : 'no\n');
  });
});

describe('who changes a credential that is there', () => {
  const patch = (name: string, body: JsonObject, ...more: string[]): string[] => [
    'patch',
    `pcred/${name}`,
    '--type=merge',
    `--patch=${JSON.stringify(body)}`,
    ...more,
  ];

  test.each([
    ['the source', { source: { secretRef: { name: 'another' } } }],
    ['its keys', { source: { keys: { password: 'other' } } }],
    ['the target', { target: { name: 'elsewhere' } }],
    ['the deletion policy', { target: { deletionPolicy: 'Retain' } }],
    ['suspend', { suspend: true }],
  ])('%s: is judged as its author', async (_what, spec) => {
    await succeeds(as('author', ['apply', '-f', '-'], credential('changed')));
    expect(await refused(as('blind', patch('changed', { spec })))).toContain('you may not get Secret');
    expect(await refused(as('reader', patch('changed', { spec })))).toMatch(
      /you may not (get|create) Secret/,
    );
  });

  test('its labels, its annotations, its status, its end: is not', async () => {
    await succeeds(as('author', ['apply', '-f', '-'], credential('labelled')));
    const labels = { metadata: { labels: { team: 'billing' }, annotations: { note: 'seen' } } };
    expect(await succeeds(as('blind', patch('labelled', labels)))).toContain('patched');
    const status = { status: { observedGeneration: 1 } };
    expect(await succeeds(as('teller', patch('labelled', status, '--subresource=status')))).toContain(
      'patched',
    );
    await succeeds(as('blind', ['delete', 'pcred/labelled']));
  });
});

describe('a service account’s token cannot be minted', () => {
  const mint = { 'kubernetes.io/service-account.name': 'default' };
  test.each([
    [
      'a type that Kubernetes fills in',
      { type: 'kubernetes.io/service-account-token' },
      'acted on by Kubernetes',
    ],
    ['a bootstrap token', { type: 'bootstrap.kubernetes.io/token' }, 'acted on by Kubernetes'],
    ['an annotation', { annotations: mint }, 'annotations under kubernetes.io'],
    ['a label', { labels: mint }, 'labels under kubernetes.io'],
  ])('by %s', async (_what, target, message) => {
    expect(await refused(as('author', ['create', '-f', '-'], credential('minter', { target })))).toContain(
      message,
    );
    await succeeds(as('author', ['apply', '-f', '-'], credential('minting')));
    expect(
      await refused(
        as('author', [
          'patch',
          'pcred/minting',
          '--type=merge',
          `--patch=${JSON.stringify({ spec: { target } })}`,
        ]),
      ),
    ).toContain(message);
  });
});

describe('the operator’s own account, whatever it is told', () => {
  const own = (name: string, more: JsonObject = {}): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: { 'tokensync.dev/managed': 'true' } },
    ...more,
  });
  const create = ['create', '-f', '-'];

  test('makes no token of a service account, and no Secret without its label', async () => {
    const annotations = { 'kubernetes.io/service-account.name': 'default' };
    const labels = { 'tokensync.dev/managed': 'true' };
    const type = 'kubernetes.io/service-account-token';
    const minting = own('minted', { type, metadata: { name: 'minted', namespace, labels, annotations } });
    expect(await refused(as(OPERATOR, create, minting))).toContain('no Secret of a type that Kubernetes');
    expect(await refused(as(OPERATOR, create, secret(namespace, 'bare', {})))).toContain(
      'labels every Secret',
    );
  });

  test('touches no Secret of someone else', async () => {
    await succeeds(admin(['apply', '-f', '-'], [secret(namespace, 'strangers', { a: 'b' })]));
    const said = 'touches no Secret of someone else';
    expect(
      await refused(as(OPERATOR, ['label', 'secret/strangers', 'tokensync.dev/managed=true'])),
    ).toContain(said);
    expect(await refused(as(OPERATOR, ['delete', 'secret/strangers']))).toContain(said);
  });

  test('writes and deletes its own, also one whose label was taken away', async () => {
    await succeeds(as(OPERATOR, create, own('mine')));
    const annotations = { 'tokensync.dev/credential': `${namespace}/mine` };
    await succeeds(
      admin(['apply', '-f', '-'], [{ ...own('mine'), metadata: { name: 'mine', namespace, annotations } }]),
    );
    await succeeds(admin(['label', 'secret/mine', `--namespace=${namespace}`, 'tokensync.dev/managed-'], []));
    await succeeds(as(OPERATOR, ['label', 'secret/mine', 'tokensync.dev/managed=true']));
    await succeeds(as(OPERATOR, ['delete', 'secret/mine']));
  });
});

describe('the policies', () => {
  test('let nobody have a credential in the operator’s namespace', async () => {
    const own = `${namespace}-own`;
    const labels = only(shipped, 'Namespace').metadata.labels;
    const items = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: own, labels } }];
    await succeeds(admin(['apply', '-f', '-'], items));
    const said = await refused(admin(['create', '-f', '-'], [credential('own', {}, own)]));
    expect(said).toContain('no credential is served in the namespace of the operator');
    await kubectl(kubeconfig, ['delete', 'namespace', own, '--wait=false']);
  });

  test.each(POLICIES)('%s has no expression that the API server warns of', async name => {
    const Status = z.object({
      metadata: z.object({ generation: z.number() }),
      status: z
        .object({ observedGeneration: z.number().default(0), typeChecking: z.unknown() })
        .default({ observedGeneration: 0, typeChecking: undefined }),
    });
    const get = ['get', 'validatingadmissionpolicy', name, '-o', 'json'];
    let seen: z.infer<typeof Status> | undefined;
    await eventually('its types are checked', async () => {
      seen = Status.parse(JSON.parse(await succeeds(kubectl(kubeconfig, get))));
      return seen.status.observedGeneration === seen.metadata.generation;
    });
    expect(seen?.status.typeChecking).toEqual({});
  });
});
