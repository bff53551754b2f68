import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../sandbox/virtual-clock.ts';
import { Collections } from '../src/collections.ts';
import { type CredentialObject, readCredential } from '../src/kube/objects.ts';
import { Share } from '../src/lead/share.ts';
import { clientOf, MemoryLog } from './kube/fake-api.ts';

const PROVIDER = { kind: 'ClusterTokenProvider', name: 'acme' };
const SPEC = {
  providerRef: PROVIDER,
  source: { secretRef: { name: 'login' } },
  target: { name: 'token' },
};
const TOKEN = { issuedAt: '2026-01-03T12:00:00Z', grant: 'Login', secretName: 'token' };

function credential(resourceVersion: string, spec: object = SPEC, token: object = TOKEN): CredentialObject {
  const metadata = { name: 'a', namespace: 'ns', uid: '1', generation: 1, resourceVersion };
  const read = readCredential({ metadata, spec, status: { token } });
  if (read?.spec === undefined || read.status === undefined) throw new Error('no credential');
  return read;
}

function made(share?: Share): Collections {
  const clock = new VirtualClock({ startMs: 0 });
  const { client, endpoint } = clientOf('http://127.0.0.1:1', clock);
  onTestFinished(() => endpoint.close());
  const own = { client, clock, random: { next: () => 0 }, log: new MemoryLog(), watchNamespaces: [] };
  return new Collections(share === undefined ? own : { ...own, share });
}

let collections: Collections;
let known: CredentialObject;
beforeEach(() => {
  collections = made();
  known = credential('1');
  collections.credentials.set(known);
});

const users = (): readonly string[] =>
  ['login', 'token', 'elsewhere'].filter(name => collections.usersOf(`ns/${name}`).includes('ns/a'));

test('a new status of the same Secrets leaves the indexes as they were', () => {
  collections.credentials.set({ ...known, metadata: credential('2').metadata });
  expect([users(), collections.credentials.byIndex('provider', 'acme')]).toEqual([
    ['login', 'token'],
    ['ns/a'],
  ]);
});

test('another spec is indexed anew', () => {
  collections.credentials.set(
    credential('2', {
      ...SPEC,
      providerRef: { ...PROVIDER, name: 'other' },
      source: { secretRef: { name: 'elsewhere' } },
    }),
  );
  const of = (provider: string): readonly string[] => collections.credentials.byIndex('provider', provider);
  expect([users(), of('acme'), of('other')]).toEqual([['token', 'elsewhere'], [], ['ns/a']]);
});

test('so is a status that tells of another Secret, beside the same spec', () => {
  const { metadata, status } = credential('2', SPEC, { ...TOKEN, secretName: 'elsewhere' });
  collections.credentials.set({ ...known, metadata, status });
  expect(users()).toEqual(['login', 'token', 'elsewhere']);
});

test('so is one that was made again, also where neither has a spec that can be read', () => {
  const share = new Share(2);
  const other = Array.from({ length: 64 }, (_, uid) => `${uid}`).find(uid => share.of(uid) !== share.of('1'));
  if (other === undefined) throw new Error('all are of one shard');
  collections = made(share);
  const unread = { ...known, spec: undefined };
  collections.credentials.set(unread);
  collections.credentials.set({ ...unread, metadata: { ...credential('2').metadata, uid: other } });
  expect([share.of('1'), share.of(other)].map(shard => collections.inShard(shard))).toEqual([[], ['ns/a']]);
});
