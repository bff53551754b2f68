import { expect, test } from 'vitest';
import { callName } from '../../src/kube/call-name.ts';

const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const CRD = '/apis/tokensync.dev/v1alpha1';

test.each([
  ['GET', '/api/v1/secrets', undefined, 'list secrets'],
  ['GET', '/api/v1/namespaces/a/secrets', undefined, 'list secrets'],
  ['GET', '/api/v1/namespaces/a/secrets/b', undefined, 'get secrets'],
  ['GET', '/api/v1/namespaces', undefined, 'list namespaces'],
  ['GET', '/api/v1/namespaces/a', undefined, 'get namespaces'],
  ['POST', '/api/v1/namespaces/a/secrets', undefined, 'create secrets'],
  ['PATCH', '/api/v1/namespaces/a/secrets/b', APPLY, 'apply secrets'],
  ['PATCH', `${CRD}/namespaces/a/providercredentials/b/status`, MERGE, 'patch providercredentials/status'],
  ['PUT', '/apis/coordination.k8s.io/v1/namespaces/a/leases/b', undefined, 'update leases'],
  ['DELETE', '/api/v1/namespaces/a/secrets/b', undefined, 'delete secrets'],
  ['GET', `${CRD}/clustertokenproviders/x`, undefined, 'get clustertokenproviders'],
  ['GET', '/version', undefined, 'get version'],
])('%s %s (%s) is %s', (method, path, contentType, expected) => {
  const { verb, resource } = callName({ method, path, contentType });
  expect(`${verb} ${resource}`).toBe(expected);
});

test('a watch is named so', () => {
  expect(callName({ method: 'GET', path: '/api/v1/secrets' }, true)).toEqual({
    verb: 'watch',
    resource: 'secrets',
  });
});
