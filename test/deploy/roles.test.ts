import { describe, expect, test } from 'vitest';
import { DIGEST_KEY_SECRET } from '../../src/api/names.ts';
import { SETTINGS } from '../../src/settings.ts';
import { only, render, skipped } from './render.ts';
import { describePermission, grantedTo, isRole, type Permission, permissionsOf } from './roles.ts';

/** What the shipped roles grant, word by word: whoever changes one changes this list as well. */

const everywhere = skipped === undefined ? render('deploy') : [];
const oneNamespace = skipped === undefined ? render('deploy/overlays/single-namespace') : [];

const OWN_NAMESPACE = [
  `Role tokensync (tokensync): get core/secrets ${DIGEST_KEY_SECRET}`,
  'Role tokensync (tokensync): create core/secrets *',
  'Role tokensync (tokensync): create coordination.k8s.io/leases *',
  ...['get', 'list', 'watch', 'patch'].map(
    verb => `Role tokensync (tokensync): ${verb} coordination.k8s.io/leases ${SETTINGS.leaseName.default}`,
  ),
];
const PROVIDERS = [
  'ClusterRole tokensync (*): list tokensync.dev/clustertokenproviders *',
  'ClusterRole tokensync (*): watch tokensync.dev/clustertokenproviders *',
  'ClusterRole tokensync (*): patch tokensync.dev/clustertokenproviders/status *',
];
const served = (role: string, namespace: string): string[] =>
  [
    'get tokensync.dev/providercredentials',
    'list tokensync.dev/providercredentials',
    'watch tokensync.dev/providercredentials',
    'patch tokensync.dev/providercredentials/status',
    'get core/secrets',
    'list core/secrets',
    'watch core/secrets',
    'create core/secrets',
    'patch core/secrets',
    'delete core/secrets',
    'create events.k8s.io/events',
    'patch events.k8s.io/events',
  ].map(what => `${role} (${namespace}): ${what} *`);

const told = (permissions: readonly Permission[]): string[] => permissions.map(describePermission).toSorted();

describe.skipIf(skipped !== undefined)('the operator may', () => {
  test('in all namespaces: no more than this', () => {
    expect(told(grantedTo('tokensync', 'tokensync', everywhere))).toEqual(
      [
        ...OWN_NAMESPACE,
        ...PROVIDERS,
        'ClusterRole tokensync (*): list core/namespaces *',
        'ClusterRole tokensync (*): watch core/namespaces *',
        ...served('ClusterRole tokensync', '*'),
      ].toSorted(),
    );
  });

  test('in a single namespace: the same there, and no Secret of any other', () => {
    expect(told(grantedTo('tokensync', 'tokensync', oneNamespace))).toEqual(
      [
        ...OWN_NAMESPACE,
        ...PROVIDERS,
        ...served('Role tokensync-served', 'team-a'),
        'Role tokensync-provider-events (default): create events.k8s.io/events *',
        'Role tokensync-provider-events (default): patch events.k8s.io/events *',
      ].toSorted(),
    );
  });
});

describe.skipIf(skipped !== undefined)('people may', () => {
  test('read with view, write with edit, and set no status', () => {
    expect(
      told(
        ['tokensync-view', 'tokensync-edit'].flatMap(name =>
          permissionsOf(only(everywhere, 'ClusterRole', name)),
        ),
      ),
    ).toEqual(
      [
        ...['get', 'list', 'watch'].flatMap(verb => [
          `ClusterRole tokensync-view (*): ${verb} tokensync.dev/clustertokenproviders *`,
          `ClusterRole tokensync-view (*): ${verb} tokensync.dev/providercredentials *`,
        ]),
        ...['create', 'update', 'patch', 'delete', 'deletecollection'].map(
          verb => `ClusterRole tokensync-edit (*): ${verb} tokensync.dev/providercredentials *`,
        ),
      ].toSorted(),
    );
  });

  test('write only with a role that reads Secrets: edit, and admin by it', () => {
    const labels = (name: string) =>
      Object.keys(only(everywhere, 'ClusterRole', name).metadata.labels).filter(key =>
        key.startsWith('rbac.'),
      );
    expect(labels('tokensync-view')).toEqual(['rbac.authorization.k8s.io/aggregate-to-view']);
    expect(labels('tokensync-edit')).toEqual(['rbac.authorization.k8s.io/aggregate-to-edit']);
  });

  test('nobody may anything by any other role', () => {
    const names = everywhere.filter(isRole).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names.toSorted()).toEqual([
      'ClusterRole tokensync',
      'ClusterRole tokensync-edit',
      'ClusterRole tokensync-view',
      'Role tokensync',
    ]);
  });
});
