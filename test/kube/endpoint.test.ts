import type { Server } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Authority, createAuthority } from '../../sandbox/certificates.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { Endpoint } from '../../src/kube/endpoint.ts';
import { inClusterEndpoint, serviceAccountNamespace } from '../../src/kube/in-cluster.ts';
import { clientOf, FakeApi, until } from './fake-api.ts';

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
const CANARY = 'canary-t0ken';
const Any = z.unknown();

let authority: Authority;
let other: Authority;
let api: FakeApi;
let clock: VirtualClock;
let files: Map<string, string>;
let reads: string[];
let hanging: boolean;

const read = (path: string): Promise<string> => {
  reads.push(path.slice(FOLDER.length + 1));
  if (hanging) return new Promise(() => {});
  const text = files.get(path);
  return text === undefined
    ? Promise.reject(Object.assign(new Error(`${path} ${CANARY}`), { code: 'ENOENT' }))
    : Promise.resolve(text);
};
const mount = (name: string, text: string) => files.set(`${FOLDER}/${name}`, text);
const env = () => ({ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) });
const open = (): Promise<Endpoint> => inClusterEndpoint({ env: env(), read, clock });

beforeAll(async () => {
  authority = await createAuthority();
  other = await createAuthority();
  api = await FakeApi.start(await authority.issue(['127.0.0.1']));
});
afterAll(() => api.close());
beforeEach(() => {
  clock = new VirtualClock({ startMs: 0 });
  reads = [];
  hanging = false;
  files = new Map();
  mount('token', `${CANARY}-1\n`);
  mount('ca.crt', authority.ca);
  mount('namespace', 'operators\n');
});

/** One request, answered with `status`; what token it carried. */
async function tokenOf(endpoint: Endpoint, status = 200): Promise<string | undefined> {
  const { client } = clientOf('', clock, { endpoint });
  const answer = client.get('/api/v1/secrets', Any).catch(() => {});
  const call = await api.next();
  call.status(status, 'X');
  if (status !== 401) await answer;
  return call.headers.authorization;
}

describe('in a cluster', () => {
  test('the token is trimmed, and the CA trusted', async () => {
    const endpoint = await open();
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-1`);
    await endpoint.close();
  });

  test('a rotated token is read at its first use a minute later, not before and not by a timer', async () => {
    const endpoint = await open();
    mount('token', `${CANARY}-2`);
    await clock.advance(59_999);
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-1`);
    await clock.advance(1);
    expect([clock.pending, reads.length]).toEqual([0, 2]);
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-2`);
    expect(reads).toEqual(['token', 'ca.crt', 'token', 'ca.crt']);
    await endpoint.close();
  });

  test('many calls at once share one reading', async () => {
    const endpoint = await open();
    await clock.advance(60_000);
    await Promise.all([endpoint.headers(), endpoint.headers(), endpoint.refresh(), endpoint.refresh()]);
    expect(reads.filter(name => name === 'token')).toHaveLength(3);
    await endpoint.close();
  });

  test('a 401 reads it at once', async () => {
    const endpoint = await open();
    mount('token', `${CANARY}-2`);
    expect(await tokenOf(endpoint, 401)).toBe(`Bearer ${CANARY}-1`);
    const again = await api.next();
    expect(again.headers.authorization).toBe(`Bearer ${CANARY}-2`);
    again.json(200, {});
    await endpoint.close();
  });

  test('a token that cannot be read for a while is kept', async () => {
    const endpoint = await open();
    files.delete(`${FOLDER}/token`);
    await clock.advance(60_000);
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-1`);
    await expect(endpoint.refresh()).rejects.toThrow('cannot read');
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-1`);
    await endpoint.close();
  });

  test('a token that does not come, as from a dead mount, holds nothing up: the last one serves', async () => {
    const endpoint = await open();
    await clock.advance(60_000);
    hanging = true;
    const both = Promise.all([endpoint.headers(), endpoint.headers()]);
    const refused = expect(endpoint.refresh()).rejects.toThrow('did not come within 15s');
    await clock.advance(15_000);
    expect(await both).toEqual(Array(2).fill({ authorization: `Bearer ${CANARY}-1` }));
    await clock.advance(15_000);
    await refused;
    hanging = false;
    mount('token', `${CANARY}-2`);
    await clock.advance(60_000);
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-2`);
    expect(clock.pending).toBe(0);
    await endpoint.close();
  });

  test('one that does not come at the start is told', async () => {
    hanging = true;
    const opened = expect(open()).rejects.toThrow(
      /^credentials for https:\/\/127\.0\.0\.1:\d+ did not come within 15s: /,
    );
    await clock.advance(15_000);
    await opened;
  });

  test('a new CA makes new connections; what runs on the old ones runs on', async () => {
    const endpoint = await open();
    const { client } = clientOf('', clock, { endpoint });
    const stop = new AbortController();
    const lines: string[] = [];
    const watch = client.watch({ path: '/x', signal: stop.signal }, { line: line => lines.push(line) });
    const watched = (await api.next()).open();
    await tokenOf(endpoint);

    const renewed = await other.issue(['127.0.0.1']);
    (api.server as Server).setSecureContext(renewed);
    api.server.closeIdleConnections();
    await clock.settle();
    await expect(client.get('/api/v1/secrets', Any)).rejects.toMatchObject({
      reason: 'CERT_SIGNATURE_FAILURE',
      sent: 'no',
    });
    mount('ca.crt', other.ca);
    const before = [endpoint.dispatcher, endpoint.watchDispatcher];
    await clock.advance(60_000);
    expect(await tokenOf(endpoint)).toBe(`Bearer ${CANARY}-1`);
    expect(before).not.toContain(endpoint.dispatcher);
    expect(before).not.toContain(endpoint.watchDispatcher);
    watched.raw('{}\n');
    await until(() => lines.length === 1, 'a line of the old watch');
    const broken = expect(watch).rejects.toMatchObject({ code: 0 });
    await endpoint.close();
    await broken;
    (api.server as Server).setSecureContext(await authority.issue(['127.0.0.1']));
  });

  test('an IPv6 address is bracketed', async () => {
    const endpoint = await inClusterEndpoint({
      env: { KUBERNETES_SERVICE_HOST: '::1', KUBERNETES_SERVICE_PORT: '6443' },
      read,
      clock,
    });
    expect(endpoint.server).toBe('https://[::1]:6443');
    await endpoint.close();
  });

  test.each([
    ['no token', () => files.delete(`${FOLDER}/token`), `cannot read ${FOLDER}/token (ENOENT)`],
    ['no CA', () => files.delete(`${FOLDER}/ca.crt`), `cannot read ${FOLDER}/ca.crt (ENOENT)`],
    ['an empty token', () => mount('token', '\n'), `${FOLDER}/token is empty`],
  ])('%s: told by its path', async (_, spoil, message) => {
    spoil();
    const error: unknown = await open().catch((thrown: unknown) => thrown);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain(CANARY);
  });

  test('outside of one, says what to use', async () => {
    for (const given of [{}, { KUBERNETES_SERVICE_HOST: 'x' }]) {
      await expect(inClusterEndpoint({ env: given, read, clock })).rejects.toThrow(
        /KUBERNETES_SERVICE_HOST.*--kubeconfig/,
      );
    }
  });

  test('the pod’s namespace', async () => {
    expect(await serviceAccountNamespace(read)).toBe('operators');
    files.clear();
    expect(await serviceAccountNamespace(read)).toBeUndefined();
  });
});
