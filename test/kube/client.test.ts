import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { WireRequest, WireResponse, WireSink } from '../../sandbox/wire.ts';
import type { CallRecord, KubeClient } from '../../src/kube/client.ts';
import { fixedEndpoint } from '../../src/kube/endpoint.ts';
import { isAlreadyExists, isConflict, isGone, isNotFound, KubeError } from '../../src/kube/kube-error.ts';
import type { ServerTime } from '../../src/kube/server-time.ts';
import { clientOf, FakeApi, until } from './fake-api.ts';

const CANARY = 'canary-s3cr3t';
const SECRET = '/api/v1/namespaces/a/secrets/b';
const Any = z.unknown();

let api: FakeApi;
let clock: VirtualClock;
let client: KubeClient;
let serverTime: ServerTime;
let close: () => Promise<void>;
let calls: CallRecord[];

beforeEach(async () => {
  api = await FakeApi.start();
  clock = new VirtualClock({ startMs: Date.parse('2026-11-21T10:00:00Z') });
  calls = [];
  const made = clientOf(api.url, clock, { onCall: call => calls.push(call) });
  client = made.client;
  serverTime = made.serverTime;
  close = () => made.endpoint.close();
});
afterEach(async () => {
  expect(clock.pending).toBe(0);
  await close();
  await api.close();
});

/** The error that a call ends with. */
async function failure(promise: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KubeError)) throw new Error('expected a KubeError', { cause: error });
  return error;
}

describe('what is sent', () => {
  test('a server-side apply', async () => {
    const answer = client.apply(SECRET, { a: 1 }, z.object({ ok: z.boolean() }), { dryRun: true });
    const call = await api.next();
    call.json(200, { ok: true, more: 1 });
    expect(await answer).toEqual({ ok: true });
    expect(call.method).toBe('PATCH');
    expect(call.url.pathname).toBe(SECRET);
    expect(Object.fromEntries(call.url.searchParams)).toEqual({
      fieldManager: 'tokensync',
      force: 'true',
      dryRun: 'All',
    });
    expect(call.headers['content-type']).toBe('application/apply-patch+yaml');
    expect(call.headers.accept).toBe('application/json');
    expect(JSON.parse(call.body)).toEqual({ a: 1 });
  });

  test('a merge patch, a creation, a reading, a removal with preconditions', async () => {
    const patched = client.mergePatch(`${SECRET}/status`, { s: 1 }, Any);
    let call = await api.next();
    expect(call.headers['content-type']).toBe('application/merge-patch+json');
    expect(call.param('force')).toBeNull();
    call.json(200, {});
    await patched;
    const created = client.create('/api/v1/namespaces/a/secrets', { é: '€' }, Any);
    call = await api.next();
    expect([call.method, call.headers['content-type'], call.body]).toEqual([
      'POST',
      'application/json',
      '{"é":"€"}',
    ]);
    call.json(201, { made: 1 });
    expect(await created).toEqual({ made: 1 });
    const got = client.get(SECRET, Any);
    call = await api.next();
    expect([call.method, call.body]).toEqual(['GET', '']);
    call.json(200, {});
    await got;
    const removed = client.remove(SECRET, { uid: 'u', resourceVersion: '7' });
    call = await api.next();
    expect(call.method).toBe('DELETE');
    expect(JSON.parse(call.body)).toMatchObject({ preconditions: { uid: 'u', resourceVersion: '7' } });
    call.json(200, { kind: 'Status' });
    await removed;
    expect(calls.map(({ verb, resource, code }) => `${verb} ${resource} ${code}`)).toEqual([
      'patch secrets/status 200',
      'create secrets 201',
      'get secrets 200',
      'delete secrets 200',
    ]);
  });

  test('a reading of what was seen may come from the cache; where that has not come so far, it does not', async () => {
    const got = client.get(SECRET, Any, { notOlderThan: '7' });
    let call = await api.next();
    expect(call.url.search).toBe('?resourceVersion=7');
    call.status(504, 'Timeout', { details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
    call = await api.next();
    expect([call.url.pathname, call.url.search]).toEqual([SECRET, '']);
    call.json(200, { found: 1 });
    expect(await got).toEqual({ found: 1 });
    const refused = failure(client.get(SECRET, Any, { notOlderThan: '7' }));
    (await api.next()).status(404, 'NotFound');
    expect((await refused).code).toBe(404);
  });

  test('a server under a path, and a query that needs encoding', async () => {
    const made = clientOf(`${api.url}/k8s/clusters/c-1/`, clock);
    const query = { labelSelector: 'a=b,c in (d)', left: undefined };
    const answer = made.client.request({ method: 'GET', path: '/api/v1/secrets', query }, Any);
    const call = await api.next();
    expect(call.url.pathname).toBe('/k8s/clusters/c-1/api/v1/secrets');
    expect(call.url.search).toBe('?labelSelector=a%3Db%2Cc%20in%20(d)');
    call.json(200, {});
    await answer;
    await made.endpoint.close();
  });
});

describe('a refusal', () => {
  test.each([
    [404, 'NotFound', isNotFound],
    [409, 'Conflict', isConflict],
    [409, 'AlreadyExists', isAlreadyExists],
    [410, 'Expired', isGone],
  ])('%i %s is told as what it is', async (code, reason, predicate) => {
    const answer = failure(client.get(SECRET, Any));
    (await api.next()).status(code, reason, { message: 'because' });
    const error = await answer;
    expect(error).toMatchObject({ code, reason, sent: 'yes' });
    expect(error.message).toBe(`get secrets: ${code} ${reason}: because`);
    const predicates = [isNotFound, isConflict, isAlreadyExists, isGone];
    expect(predicates.filter(each => each(error))).toEqual([predicate]);
  });

  test('of an apply because its uid is another’s is a conflict', async () => {
    const cause = { reason: 'FieldValueInvalid', field: 'metadata.uid', message: 'field is immutable' };
    const answer = failure(client.apply(SECRET, {}, Any));
    (await api.next()).status(422, 'Invalid', { details: { causes: [cause, cause] } });
    const error = await answer;
    expect(isConflict(error)).toBe(true);
    expect(error.message).toBe('apply secrets: 422 Invalid at metadata.uid');
  });

  const invalid = {
    message: `data.x: Invalid value: "${CANARY}"`,
    details: {
      causes: [
        { reason: 'FieldValueInvalid', field: 'data[x]', message: `Invalid value: "${CANARY}"` },
        { reason: `is ${CANARY}!`, field: `"${CANARY}": bad`, message: CANARY },
      ],
    },
  };

  test('of a call that carries secrets keeps code, reason and fields, and no text of the server', async () => {
    const answer = failure(client.apply(SECRET, { data: CANARY }, Any, { secret: true }));
    (await api.next()).status(422, 'Invalid', invalid);
    const error = await answer;
    expect(error.fields).toEqual([{ field: 'data[x]', reason: 'FieldValueInvalid' }, { field: '' }]);
    expect(error.message).toBe('apply secrets: 422 Invalid at data[x]');
    expect(everythingOf(error)).not.toContain(CANARY);
  });

  test('of another call keeps the server’s words, cut', async () => {
    const answer = failure(client.mergePatch(SECRET, {}, Any));
    (await api.next()).status(422, 'Invalid', {
      message: 'm'.repeat(1000),
      details: { causes: [{ field: 'spec.a', message: 'must be set' }] },
    });
    const error = await answer;
    expect(error.fields).toEqual([{ field: 'spec.a', message: 'must be set' }]);
    expect(error.message).toMatch(/^patch secrets: 422 Invalid at spec\.a: m{300}…$/);
  });

  test.each([
    ['HTML of a proxy', `<html>${CANARY}</html>`],
    ['nothing', ''],
    ['other JSON', `{"reason": {"x": "${CANARY}"}}`],
  ])('whose body is %s is told by its code', async (_, body) => {
    const answer = failure(client.get(SECRET, Any));
    (await api.next()).json(502, body);
    const error = await answer;
    expect(error).toMatchObject({ code: 502, reason: 'BadGateway' });
    expect(everythingOf(error)).not.toContain(CANARY);
  });

  test.each([
    ['seconds', { 'retry-after': '7' }, {}, 7000],
    ['a date', { 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT' }, {}, 30_000],
    ['a day', { 'retry-after': '86400' }, {}, 120_000],
    ['nonsense', { 'retry-after': 'soon' }, {}, undefined],
    ['the body', {}, { details: { retryAfterSeconds: 3 } }, 3000],
    ['nothing', {}, {}, undefined],
  ])('Retry-After as %s', async (_, headers, body, expected) => {
    const answer = failure(client.get(SECRET, Any));
    const date = 'Sat, 21 Nov 2026 10:00:00 GMT';
    (await api.next()).status(429, 'TooManyRequests', body, { date, ...headers });
    const { retryAfterMs } = await answer;
    if (expected === undefined) expect(retryAfterMs).toBeUndefined();
    else expect(Math.abs((retryAfterMs ?? 0) - expected)).toBeLessThanOrEqual(1000);
  });

  test('an answer that does not fit names the fields, but for calls with secrets', async () => {
    const Shape = z.object({ data: z.record(z.string(), z.number()) });
    const body = { data: { [CANARY]: 'x' } };
    const open = failure(client.get(SECRET, Shape));
    (await api.next()).json(200, body);
    expect(await open).toMatchObject({ code: 200, reason: 'UnexpectedAnswer', sent: 'yes' });
    const secret = failure(client.get(SECRET, Shape, { secret: true }));
    (await api.next()).json(200, body);
    expect(everythingOf(await secret)).not.toContain(CANARY);
  });
});

describe('no answer', () => {
  test('nobody listens: not sent', async () => {
    const free = createServer();
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise(resolve => free.close(resolve));
    const made = clientOf(`http://127.0.0.1:${port}`, clock);
    expect(await failure(made.client.get(SECRET, Any))).toMatchObject({
      code: 0,
      reason: 'ECONNREFUSED',
      sent: 'no',
    });
    await made.endpoint.close();
  });

  test('a reset after the request: maybe sent', async () => {
    const answer = failure(client.apply(SECRET, {}, Any));
    (await api.next()).reset();
    expect(await answer).toMatchObject({ code: 0, reason: 'ECONNRESET', sent: 'maybe' });
    expect(calls).toMatchObject([{ verb: 'apply', code: 'error' }]);
  });

  test('the deadline passes, by the clock that was given', async () => {
    const answer = failure(client.get(SECRET, Any));
    const call = await api.next();
    await clock.advance(29_999);
    await clock.settle();
    expect(call.closed).toBe(false);
    await clock.advance(1);
    expect(await answer).toMatchObject({ code: 0, reason: 'Timeout', sent: 'maybe' });
    await until(() => call.closed, 'the connection to be given up');
    expect(clock.pending).toBe(0);
  });

  test('a deadline that passes while waiting for a connection: not sent, nor later', async () => {
    const endpoint = fixedEndpoint(api.url, new Agent({ allowH2: false, connections: 1 }));
    const made = clientOf(api.url, clock, { endpoint });
    const first = made.client.get(SECRET, Any);
    const call = await api.next();
    const second = failure(made.client.get(SECRET, Any, { timeoutMs: 1000 }));
    await clock.advance(1000);
    expect(await second).toMatchObject({ reason: 'Timeout', sent: 'no' });
    call.json(200, {});
    await first;
    const third = made.client.get('/api/v1/third', Any);
    expect((await api.next()).url.pathname).toBe('/api/v1/third');
    expect(api.calls).toHaveLength(2);
    api.calls[1]?.json(200, {});
    await third;
    await endpoint.close();
  });

  test('given up by whoever called', async () => {
    const stop = new AbortController();
    const answer = failure(client.get(SECRET, Any, { signal: stop.signal }));
    await api.next();
    stop.abort();
    expect(await answer).toMatchObject({ reason: 'Aborted', sent: 'maybe' });
    expect(await failure(client.get(SECRET, Any, { signal: stop.signal }))).toMatchObject({
      reason: 'Aborted',
      sent: 'no',
    });
    await clock.settle();
    expect(api.waiting).toBe(0);
  });

  test('an answer cut off in the middle was sent', async () => {
    const answer = failure(client.get(SECRET, Any));
    const call = await api.next();
    call.open().raw('{"a":');
    await clock.settle();
    call.reset();
    expect(await answer).toMatchObject({ code: 0, sent: 'yes' });
  });
});

describe('a 401', () => {
  test('reads the credentials anew and tries once more', async () => {
    let token = 'old';
    let reads = 0;
    const fixed = fixedEndpoint(api.url, new Agent({ allowH2: false }));
    const endpoint = {
      ...fixed,
      headers: () => ({ authorization: `Bearer ${token}` }),
      refresh: () => {
        reads++;
        token = 'new';
        return Promise.resolve();
      },
    };
    const made = clientOf(api.url, clock, { endpoint });
    const answer = made.client.get(SECRET, Any);
    const first = await api.next();
    expect(first.headers.authorization).toBe('Bearer old');
    first.status(401, 'Unauthorized');
    const second = await api.next();
    expect(second.headers.authorization).toBe('Bearer new');
    second.json(200, { fine: true });
    expect(await answer).toEqual({ fine: true });
    expect(reads).toBe(1);
    const refused = failure(made.client.get(SECRET, Any));
    (await api.next()).status(401, 'Unauthorized');
    (await api.next()).status(401, 'Unauthorized');
    expect(await refused).toMatchObject({ code: 401 });
    expect(api.waiting).toBe(0);
    await endpoint.close();
  });
});

test('each answer’s Date sets the server’s time', async () => {
  const answer = client.get(SECRET, Any);
  (await api.next()).json(200, {}, { date: 'Sat, 21 Nov 2026 15:00:00 GMT' });
  await answer;
  expect(Math.abs(serverTime.now() - Date.parse('2026-11-21T15:00:00.500Z'))).toBeLessThanOrEqual(500);
});

describe('a watch', () => {
  test('gives lines as they come, however cut, until the server ends it', async () => {
    const lines: string[] = [];
    let heads = 0;
    const done = client.watch(
      { path: '/api/v1/secrets', query: { resourceVersion: '7' }, signal: new AbortController().signal },
      { head: () => heads++, line: line => lines.push(line) },
    );
    const call = await api.next();
    expect([call.param('watch'), call.param('resourceVersion')]).toEqual(['true', '7']);
    call.open();
    const bytes = Buffer.from('{"a":"€"}\n{"b":1}\n');
    for (const byte of bytes) {
      call.raw(Buffer.from([byte]));
      await clock.settle();
    }
    await until(() => lines.length === 2, 'both lines');
    call.end();
    await done;
    expect([heads, lines]).toEqual([1, ['{"a":"€"}', '{"b":1}']]);
    expect(calls).toMatchObject([{ verb: 'watch', resource: 'secrets', code: 200 }]);
  });

  test('gives a line after the answer that came beside it, and none is lost when the server ends it there', async () => {
    const told: string[] = [];
    let sink: WireSink | undefined;
    const handler = ({ method }: WireRequest): WireResponse => {
      if (method === 'GET') return { status: 200, stream: opened => (sink = opened) };
      sink?.write('{"a":1}\n');
      if (method === 'DELETE') sink?.end();
      return { status: 200, body: '{}' };
    };
    const endpoint = fixedEndpoint('http://memory', new WireDispatcher({ route: () => handler }));
    const made = clientOf('http://memory', clock, { endpoint, later: setImmediate });
    const signal = new AbortController().signal;
    const done = made.client.watch({ path: '/x', signal }, { line: () => told.push('line') });
    await clock.settle();
    await made.client.apply(SECRET, {}, Any);
    told.push('answer');
    await clock.settle();
    expect(told).toEqual(['answer', 'line']);
    await made.client.remove(SECRET, {});
    await done;
    expect(told).toEqual(['answer', 'line', 'line']);
  });

  const watch = (line: (text: string) => void = () => {}, signal = new AbortController().signal) =>
    failure(client.watch({ path: '/api/v1/secrets', signal }, { line }));

  test('that is refused, broken, or cut in a line, fails', async () => {
    let end = watch();
    (await api.next()).status(410, 'Expired');
    expect(isGone(await end)).toBe(true);
    end = watch();
    (await api.next()).open().raw('{"half":');
    await clock.settle();
    api.calls.at(-1)?.end();
    expect(await end).toMatchObject({ code: 0, reason: 'CutShort' });
    end = watch();
    (await api.next()).open().reset();
    expect(await end).toMatchObject({ code: 0, reason: 'ECONNRESET' });
  });

  test('ends with what its listener throws, and the connection with it', async () => {
    const mine = new KubeError({ what: 'x', code: 410, reason: 'Mine', sent: 'yes' });
    const end = watch(() => {
      throw mine;
    });
    const call = await api.next();
    call.open().raw('{}\n');
    expect(await end).toBe(mine);
    await until(() => call.closed, 'the connection to be given up');
  });

  test('with an endless line is broken', async () => {
    const made = clientOf(api.url, clock, { lineMaxBytes: 1000 });
    const signal = new AbortController().signal;
    const end = failure(made.client.watch({ path: '/x', signal }, { line: () => {} }));
    (await api.next()).open().raw('x'.repeat(2000));
    expect(await end).toMatchObject({ reason: 'LineTooLong' });
    await made.endpoint.close();
  });

  test('is not bound by the deadline of requests', async () => {
    const stop = new AbortController();
    const end = watch(undefined, stop.signal);
    const call = await api.next();
    call.open();
    await clock.advance(3_600_000);
    expect(call.closed).toBe(false);
    stop.abort(new KubeError({ what: 'x', code: 0, reason: 'Mine', sent: 'no' }));
    expect(await end).toMatchObject({ reason: 'Mine' });
  });
});

/** All that a logger or a careless `inspect` could get out of an error. */
function everythingOf(error: KubeError): string {
  return `${inspect(error, { depth: 10, showHidden: true })} ${JSON.stringify(error)} ${error.stack}`;
}
