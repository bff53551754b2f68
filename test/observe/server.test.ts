import { once } from 'node:events';
import { connect } from 'node:net';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { type BindAddress, parseBindAddress } from '../../src/observe/bind-address.ts';
import { type Check, ObserveServer, type ObserveServerOptions } from '../../src/observe/server.ts';

const LOCAL: BindAddress = { host: '127.0.0.1', port: 0 };
const OTHER: BindAddress = { host: 'localhost', port: 0 };

const open: ObserveServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

function server(more: Partial<ObserveServerOptions> = {}): ObserveServer {
  const made = new ObserveServer({
    metricsAddress: LOCAL,
    probeAddress: OTHER,
    metrics: exposing(['up ', '1\n']),
    healthy: {},
    ready: {},
    ...more,
  });
  open.push(made);
  return made;
}

function exposing(texts: readonly string[], fails = false): ObserveServerOptions['metrics'] {
  return {
    expose: () => ({
      contentType: 'text/x',
      pieces: (async function* () {
        await Promise.resolve();
        yield* texts;
        if (fails) throw new Error('canary');
      })(),
    }),
  };
}

async function get(address: string | undefined, path: string, method: 'GET' | 'HEAD' | 'POST' = 'GET') {
  const { statusCode, headers, body } = await request(`http://${address}${path}`, { method, reset: true });
  return { status: statusCode, type: headers['content-type'], allow: headers.allow, body: await body.text() };
}

test('metrics and probes at addresses of their own', async () => {
  const { metrics, probes } = await server().listen();
  expect(metrics).toMatch(/^127\.0\.0\.1:[1-9]/);
  expect(probes).toMatch(/^localhost:[1-9]/);
  expect(await get(metrics, '/metrics?x=y')).toMatchObject({ status: 200, type: 'text/x', body: 'up 1\n' });
  expect(await get(probes, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
  expect((await get(metrics, '/healthz')).status).toBe(404);
  expect((await get(probes, '/metrics')).status).toBe(404);
});

test('one server where both addresses are the same', async () => {
  const { metrics, probes } = await server({ probeAddress: { ...LOCAL } }).listen();
  expect(metrics).toBe(probes);
  for (const path of ['/metrics', '/healthz', '/readyz']) expect((await get(metrics, path)).status).toBe(200);
});

test('what is off is not served', async () => {
  expect(await server({ metricsAddress: 'off', probeAddress: 'off' }).listen()).toEqual({});
  const { metrics, probes } = await server({ metricsAddress: 'off' }).listen();
  expect(metrics).toBeUndefined();
  expect((await get(probes, '/readyz')).status).toBe(200);
});

test('anything else is 404, another method 405', async () => {
  const { metrics, probes } = await server().listen();
  for (const path of ['/', '/constructor', '/metrics/', '//metrics'])
    expect((await get(metrics, path)).status).toBe(404);
  expect(await get(metrics, '/metrics', 'POST')).toMatchObject({ status: 405, allow: 'GET, HEAD' });
  expect(await get(probes, '/readyz', 'HEAD')).toMatchObject({ status: 200, body: '' });
});

test('a failing check is named with its reason', async () => {
  let synced = false;
  const ready: Record<string, Check> = {
    synced: () => (synced ? undefined : 'the first list is not there yet'),
    other: () => undefined,
    broken: () => {
      throw new Error('canary');
    },
  };
  const { probes } = await server({ ready }).listen();
  expect(await get(probes, '/readyz')).toMatchObject({
    status: 503,
    body: '[-]synced failed: the first list is not there yet\n[+]other ok\n[-]broken failed: the check itself failed\n',
  });
  synced = true;
  delete ready.broken;
  expect(await get(probes, '/readyz')).toMatchObject({ status: 200, body: '[+]synced ok\n[+]other ok\n' });
  expect((await get(probes, '/healthz')).status).toBe(200);
});

test('metrics that cannot be rendered are a 500 without details; halfway, an answer that breaks off', async () => {
  const { metrics } = await server({ metrics: exposing([], true) }).listen();
  expect(await get(metrics, '/metrics')).toMatchObject({ status: 500, body: 'failed\n' });
  const { metrics: half } = await server({ metrics: exposing(['up 1\n'], true) }).listen();
  await expect(get(half, '/metrics')).rejects.toThrow(/terminated|closed|aborted/i);
});

test('the format is for the scraper to ask for', async () => {
  const asked: (string | undefined)[] = [];
  const metrics = {
    expose: (accept?: string) => {
      asked.push(accept);
      return exposing(['up 1\n']).expose();
    },
  };
  const { metrics: at } = await server({ metrics }).listen();
  await (await request(`http://${at}/metrics`, { headers: { accept: 'text/y' }, reset: true })).body.dump();
  expect(asked).toEqual(['text/y']);
});

describe('a scraper that hangs is cut off', () => {
  /** Resolves when the other side has ended the connection. */
  const ended = async (address: string | undefined, ask: string): Promise<void> => {
    const [host, port] = (address ?? '').split(':');
    const socket = connect({ host, port: Number(port) });
    await once(socket, 'connect');
    socket.write(ask);
    socket.pause();
    socket.on('error', () => {});
    // Nothing is read but the end.
    const closed = once(socket, 'close');
    setTimeout(() => socket.resume(), 300);
    await closed;
  };

  test('one that reads nothing, and no more than it can take is made for it', async () => {
    let made = 0;
    const endless = async function* () {
      for (;;) {
        made += 1;
        yield 'x'.repeat(64 * 1024);
        await new Promise(setImmediate);
      }
    };
    const metrics = { expose: () => ({ contentType: 'text/x', pieces: endless() }) };
    const { metrics: at } = await server({ metrics, scrapeTimeoutMs: 200 }).listen();
    await ended(at, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    const then = made;
    expect(then).toBeLessThan(1000);
    await new Promise(resolve => setTimeout(resolve, 50));
    expect(made).toBe(then);
  });

  test.each([
    ['one that asks for nothing', ''],
    ['one that does not end what it asks', 'GET /metrics HTTP/1.1\r\nhost:'],
  ])('%s', async (_, ask) => {
    const { metrics } = await server({ scrapeTimeoutMs: 200 }).listen();
    await ended(metrics, ask);
  });

  test('and others are served meanwhile, and after', async () => {
    const { metrics } = await server({ scrapeTimeoutMs: 200 }).listen();
    const hanging = ended(metrics, 'GET /metrics HTTP/1.1\r\n');
    expect((await get(metrics, '/metrics')).status).toBe(200);
    await hanging;
    expect((await get(metrics, '/metrics')).status).toBe(200);
  });
});

test('an address that is taken is told with its flag, and nothing is left listening', async () => {
  const portOf = (address = ''): BindAddress => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) });
  const { metrics } = await server().listen();
  const before = server();
  const free = portOf((await before.listen()).metrics);
  await before.close();
  const second = server({ metricsAddress: free, probeAddress: portOf(metrics) });
  await expect(second.listen()).rejects.toThrow(
    `cannot listen on ${metrics} (EADDRINUSE): choose another --health-probe-bind-address`,
  );
  const third = server({ metricsAddress: free });
  expect(portOf((await third.listen()).metrics)).toEqual(free);
});

test('close ends a connection that is kept open', async () => {
  const one = server();
  const { metrics } = await one.listen();
  const kept = await request(`http://${metrics}/metrics`);
  await kept.body.dump();
  await one.close();
  await one.close();
  await expect(request(`http://${metrics}/metrics`)).rejects.toThrow();
});

describe('bind addresses', () => {
  test.each<[string, ReturnType<typeof parseBindAddress>]>([
    [':8080', { port: 8080 }],
    ['0.0.0.0:8080', { host: '0.0.0.0', port: 8080 }],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['localhost:1', { host: 'localhost', port: 1 }],
    ['[::1]:8081', { host: '::1', port: 8081 }],
    ['[::]:8081', { host: '::', port: 8081 }],
    ['0', 'off'],
    ['', undefined],
    ['8080', undefined],
    [':', undefined],
    [':65536', undefined],
    [':-1', undefined],
    ['::1:8080', undefined],
    ['[localhost]:8080', undefined],
    ['example.test:8080', undefined],
    ['[]:8080', undefined],
  ])('%j', (text, address) => expect(parseBindAddress(text)).toEqual(address));
});
