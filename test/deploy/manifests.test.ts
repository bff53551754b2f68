import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import manifest from '../../package.json' with { type: 'json' };
import { parseConfig } from '../../src/config.ts';
import { type Manifest, only, render, renderOver, skipped } from './render.ts';

/** What `deploy/` renders to, and what has to hold of it whatever is changed in it. */

const INSTALLS = [
  'deploy',
  'deploy/overlays/single-namespace',
  'deploy/overlays/private-ca-and-proxy',
  'deploy/overlays/sharded',
];

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const Strict = z.object({ type: z.literal('RuntimeDefault') });
const Deployment = z.object({
  spec: z.object({
    replicas: z.number(),
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      // strict: whatever is added to a pod is looked at here
      spec: z.strictObject({
        serviceAccountName: z.string(),
        automountServiceAccountToken: z.literal(true),
        enableServiceLinks: z.literal(false),
        terminationGracePeriodSeconds: z.number(),
        nodeSelector: z.strictObject({ 'kubernetes.io/os': z.literal('linux') }),
        topologySpreadConstraints: z
          .array(z.object({ whenUnsatisfiable: z.literal('ScheduleAnyway') }))
          .length(2),
        securityContext: z.strictObject({
          runAsNonRoot: z.literal(true),
          runAsUser: z.number().min(1),
          runAsGroup: z.number().min(1),
          fsGroup: z.number().min(1),
          seccompProfile: Strict,
        }),
        volumes: z
          .array(z.strictObject({ name: z.string(), configMap: z.object({ name: z.string() }) }))
          .default([]),
        containers: z.tuple([
          z.strictObject({
            name: z.literal('operator'),
            image: z.string(),
            imagePullPolicy: z.literal('IfNotPresent'),
            volumeMounts: z.array(z.object({ readOnly: z.literal(true) })).default([]),
            args: z.array(z.string()),
            env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
            ports: z.array(
              z.strictObject({ name: z.string(), containerPort: z.number(), protocol: z.literal('TCP') }),
            ),
            startupProbe: Probe,
            livenessProbe: Probe,
            readinessProbe: Probe,
            resources: z.object({
              requests: z.object({ cpu: z.string(), memory: z.string() }),
              // no limit of CPU: it would only make renewals late
              limits: z.strictObject({ memory: z.string() }),
            }),
            securityContext: z.strictObject({
              allowPrivilegeEscalation: z.literal(false),
              readOnlyRootFilesystem: z.literal(true),
              capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
            }),
          }),
        ]),
      }),
    }),
  }),
});

const ids = (manifests: readonly Manifest[]): string[] =>
  manifests.map(({ kind, metadata: { name, namespace } }) => `${kind} ${namespace ?? ''}/${name}`).toSorted();

describe.skipIf(skipped !== undefined).each(INSTALLS)('%s', folder => {
  const manifests = skipped === undefined ? render(folder) : [];
  const deployment = () => Deployment.parse(only(manifests, 'Deployment'));
  const container = () => deployment().spec.template.spec.containers[0];

  test('has each object once, labelled, and where it belongs', () => {
    expect(new Set(ids(manifests)).size).toBe(manifests.length);
    expect(ids(manifests)).toMatchSnapshot();
    for (const { kind, metadata } of manifests) {
      if (kind !== 'CustomResourceDefinition')
        expect(metadata.labels, `${kind} ${metadata.name}`).toMatchObject({
          'app.kubernetes.io/name': 'tokensync',
          'app.kubernetes.io/part-of': 'tokensync',
        });
    }
  });

  test('runs the image of this version, and one that is named by a tag', () => {
    expect(container().image).toBe(`ghcr.io/tokensync/tokensync:${manifest.version}`);
  });

  test('asks for a restricted namespace, and has pods that fit it', () => {
    const { labels } = only(manifests, 'Namespace').metadata;
    expect(labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
    expect(labels['pod-security.kubernetes.io/enforce-version']).toMatch(/^v1\.\d+$/);
    expect(() => deployment()).not.toThrow();
  });

  test('gives the program flags and variables that it takes, and time to drain', () => {
    const { args, env } = container();
    const parsed = parseConfig(args, Object.fromEntries(env.map(({ name, value }) => [name, value ?? 'x'])));
    if (parsed.kind !== 'run') throw new Error(parsed.text);
    const { config } = parsed;
    expect(config.operatorNamespace).toBe('x');
    const grace = deployment().spec.template.spec.terminationGracePeriodSeconds * 1000;
    expect(grace - config.shutdownTimeoutMs).toBeGreaterThanOrEqual(10_000);
    const ports = container().ports.map(({ name, containerPort }) => [name, containerPort]);
    expect(ports).toEqual([
      ['metrics', portOf(config.metricsBindAddress)],
      ['probes', portOf(config.healthProbeBindAddress)],
    ]);
  });

  test('selects its own pods wherever it selects pods, by ports that they have', () => {
    const { selector, template } = deployment().spec;
    const labels = { 'app.kubernetes.io/name': 'tokensync', 'app.kubernetes.io/component': 'operator' };
    expect(selector.matchLabels).toEqual(labels);
    expect(template.metadata.labels).toMatchObject(labels);
    expect(only(manifests, 'PodDisruptionBudget').spec).toMatchObject({
      selector: { matchLabels: labels },
      maxUnavailable: 1,
    });
    expect(only(manifests, 'NetworkPolicy').spec).toMatchObject({
      podSelector: { matchLabels: labels },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ ports: [{ port: 'metrics' }] }, { ports: [{ port: 'probes' }] }],
    });
    expect(only(manifests, 'Service').spec).toMatchObject({
      selector: labels,
      ports: [{ targetPort: 'metrics' }],
    });
    expect(template.spec.serviceAccountName).toBe(only(manifests, 'ServiceAccount').metadata.name);
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const)
      expect(container()[probe].httpGet.port).toBe('probes');
  });
});

function portOf(address: unknown): number {
  return z.object({ port: z.number() }).parse(address).port;
}

describe.skipIf(skipped !== undefined)('overlays', () => {
  const workers = (manifests: readonly Manifest[]) =>
    Deployment.parse(only(manifests, 'Deployment')).spec.template.spec;

  test('single-namespace serves the namespace that its Role is in', () => {
    const manifests = render('deploy/overlays/single-namespace');
    const { namespace } = only(manifests, 'Role', 'tokensync-served').metadata;
    const [{ env }] = workers(manifests).containers;
    expect(env.find(({ name }) => name === 'WATCH_NAMESPACES')).toEqual({
      name: 'WATCH_NAMESPACES',
      value: namespace,
    });
  });

  test('private-ca-and-proxy adds both, and opens the way to the proxy', () => {
    const manifests = render('deploy/overlays/private-ca-and-proxy');
    const { containers, volumes } = workers(manifests);
    expect(containers[0].env.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['NODE_EXTRA_CA_CERTS', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY']),
    );
    expect(volumes).toMatchObject([{ configMap: { name: 'tokensync-private-ca' } }]);
    const { egress } = z
      .object({ egress: z.array(z.object({ ports: z.array(z.object({ port: z.number() })) })) })
      .parse(only(manifests, 'NetworkPolicy').spec);
    expect(egress.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual([53, 53, 443, 6443, 3128]);
  });

  test('one of a user replaces the image, the namespace and the number of replicas', () => {
    const manifests = renderOver(
      `resources: [$(deploy)]
namespace: elsewhere
images: [{name: ghcr.io/tokensync/tokensync, newName: registry.example/tokensync, newTag: '9'}]
replicas: [{name: tokensync, count: 3}]
`,
      tmpdir(),
    );
    const { spec } = Deployment.parse(only(manifests, 'Deployment'));
    expect(spec).toMatchObject({
      replicas: 3,
      template: { spec: { containers: [{ image: 'registry.example/tokensync:9' }] } },
    });
    expect(only(manifests, 'Namespace').metadata).toMatchObject({
      name: 'elsewhere',
      labels: { 'tokensync.dev/operator': 'true' },
    });
    expect(JSON.stringify(manifests)).not.toContain('"namespace":"tokensync"');
  });

  test('sharded: as many replicas as shards, and the right to all Leases of the operator’s namespace', () => {
    const manifests = render('deploy/overlays/sharded');
    const { spec } = Deployment.parse(only(manifests, 'Deployment'));
    expect([spec.replicas, spec.template.spec.containers[0].args]).toEqual([
      4,
      ['--leader-elect', '--shutdown-timeout=25s', '--shards=4'],
    ]);
    const leases = (only(manifests, 'Role', 'tokensync').rules as { resources: string[] }[]).filter(
      ({ resources }) => resources.includes('leases'),
    );
    expect(leases).toEqual([
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        verbs: ['get', 'list', 'watch', 'patch'],
      },
    ]);
  });

  test('a private authority comes from a file of the user', () => {
    const manifests = renderOver(
      `resources: [$(deploy)]
components: [$(deploy)/components/private-ca]
configMapGenerator: [{name: tokensync-private-ca, namespace: tokensync, literals: [ca.crt=pem]}]
`,
      tmpdir(),
    );
    const { name } = only(manifests, 'ConfigMap').metadata;
    expect(name).toMatch(/^tokensync-private-ca-./);
    expect(workers(manifests).volumes).toMatchObject([{ configMap: { name } }]);
  });
});

describe.skipIf(skipped !== undefined)('what is applied apart', () => {
  test.each([
    ['deploy/providers', 5],
    ['deploy/examples', 14],
    ['crds', 2],
  ])('%s holds all of its files', (folder, count) => {
    expect(render(folder)).toHaveLength(count);
  });
});

if (skipped !== undefined) test.skip(`rendering of deploy/: ${skipped}`);
