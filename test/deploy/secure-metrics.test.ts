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
