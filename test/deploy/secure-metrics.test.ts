import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseConfig } from '../../src/config.ts';
import { only, render, renderOver, skipped } from './render.ts';
import { describePermission, grantedTo, permissionsOf } from './roles.ts';

const Pod = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        volumes: z.array(z.object({ name: z.string(), secret: z.object({ secretName: z.string() }) })),
        containers: z.tuple([
          z.object({
            args: z.array(z.string()),
            volumeMounts: z.array(
              z.object({ name: z.string(), mountPath: z.string(), readOnly: z.literal(true) }),
            ),
          }),
        ]),
      }),
    }),
  }),
});

describe.skipIf(skipped !== undefined).each(['default', 'overlays/single-namespace'])(
  'the component secure-metrics over %s',
  base => {
    const before = skipped === undefined ? render(`deploy/${base}`) : [];
    const manifests =
      skipped === undefined
        ? renderOver(
            `resources: [$(deploy)/${base}]\ncomponents: [$(deploy)/components/secure-metrics]\n`,
            tmpdir(),
          )
        : [];

    test('serves /metrics securely, from a mounted Secret', () => {
      const { volumes, containers } = Pod.parse(only(manifests, 'Deployment')).spec.template.spec;
      const [{ args, volumeMounts }] = containers;
      const parsed = parseConfig(args, {});
      if (parsed.kind !== 'run') throw new Error(parsed.text);
      const { metricsSecure, metricsCertDir } = parsed.config;
      expect(metricsSecure).toBe(true);
      const mount = volumeMounts.find(({ mountPath }) => mountPath === metricsCertDir);
      expect(volumes.find(({ name }) => name === mount?.name)?.secret.secretName).toBe(
        'tokensync-metrics-tls',
      );
    });

    test('gives the operator two rights more', () => {
      const may = (of: typeof manifests): string[] =>
        grantedTo('tokensync', 'tokensync', of).map(describePermission);
      expect(may(manifests).filter(each => !may(before).includes(each))).toEqual([
        'ClusterRole tokensync-metrics-auth (*): create authentication.k8s.io/tokenreviews *',
        'ClusterRole tokensync-metrics-auth (*): create authorization.k8s.io/subjectaccessreviews *',
      ]);
      expect(permissionsOf(only(before, 'ClusterRole', 'tokensync')).length).toBeGreaterThan(0);
    });
  },
);

const Monitor = z.object({
  spec: z.object({
    podMetricsEndpoints: z.tuple([
      z.object({
        port: z.literal('metrics'),
        scheme: z.literal('https'),
        honorLabels: z.literal(true),
        authorization: z.object({ credentials: z.object({ name: z.string(), key: z.literal('token') }) }),
        tlsConfig: z.object({ serverName: z.string() }),
      }),
    ]),
  }),
});
const Binding = z.object({
  kind: z.enum(['RoleBinding', 'ClusterRoleBinding']),
  roleRef: z.object({ name: z.string() }),
  subjects: z.array(z.object({ name: z.string() })),
});
const TokenSecret = z.object({
  type: z.literal('kubernetes.io/service-account-token'),
  metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
});

test.skipIf(skipped !== undefined)(
  'the PodMonitor of prometheus-secure scrapes it as an account that may get /metrics alone',
  () => {
    const manifests = renderOver(
      'resources: [$(deploy)/default, $(deploy)/prometheus-secure]\ncomponents: [$(deploy)/components/secure-metrics]\n',
      tmpdir(),
    );
    const [endpoint] = Monitor.parse(only(manifests, 'PodMonitor')).spec.podMetricsEndpoints;
    const secret = TokenSecret.parse(only(manifests, 'Secret', endpoint.authorization.credentials.name));
    const account = secret.metadata.annotations['kubernetes.io/service-account.name'] ?? '';
    expect(only(manifests, 'ServiceAccount', account).metadata.namespace).toBe('tokensync');
    const bound = manifests
      .flatMap(manifest => Binding.safeParse(manifest).data ?? [])
      .filter(({ subjects }) => subjects.some(({ name }) => name === account));
    expect(bound.map(({ roleRef }) => roleRef.name)).toEqual(['tokensync-metrics-reader']);
    expect(only(manifests, 'ClusterRole', 'tokensync-metrics-reader')).toMatchObject({
      rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }],
    });
  },
);
