import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../sandbox/certificates.ts';
import { CertificateFolder } from '../../src/observe/certificate.ts';
import { ObserveServer, type Verdict } from '../../src/observe/server.ts';
import { MemoryLog } from '../kube/fake-api.ts';
import { ManualClock } from '../provider/manual-clock.ts';

const authority = await createAuthority();
const LOCAL = { host: '127.0.0.1', port: 0 };

async function secure(verdict: (authorization: string | undefined) => Verdict | Promise<Verdict>) {
  const server = new ObserveServer({
    metricsAddress: LOCAL,
    probeAddress: { ...LOCAL },
    metrics: {
      expose: () => ({
        contentType: 'text/x',
        pieces: (async function* () {
          yield await Promise.resolve('up 1\n');
        })(),
      }),
    },
    secure: {
      certificate: await authority.issue(['127.0.0.1']),
      may: async authorization => verdict(authorization),
    },
    healthy: {},
    ready: {},
  });
  onTestFinished(() => server.close());
  const agent = new Agent({ connect: { ca: authority.ca } });
  onTestFinished(() => agent.close());
  const listening = await server.listen();
  const get = async (url: string, authorization?: string) => {
    const { statusCode, headers, body } = await request(url, {
      dispatcher: agent,
      reset: true,
      headers: authorization === undefined ? {} : { authorization },
    });
    return { status: statusCode, asks: headers['www-authenticate'], body: await body.text() };
  };
  return { server, get, ...listening };
}

test.each<[Verdict, { status: number; asks?: string; body: string }]>([
  ['allowed', { status: 200, body: 'up 1\n' }],
  ['unauthenticated', { status: 401, asks: 'Bearer', body: 'unauthorized\n' }],
  ['forbidden', { status: 403, body: 'forbidden\n' }],
  ['unavailable', { status: 503, body: 'authorization is not available\n' }],
])('who is %s', async (verdict, expected) => {
  const asked: (string | undefined)[] = [];
  const { get, metrics } = await secure(authorization => {
    asked.push(authorization);
    return verdict;
  });
  expect(await get(`https://${metrics}/metrics`, 'Bearer x')).toEqual({ asks: undefined, ...expected });
  expect(asked).toEqual(['Bearer x']);
  await expect(get(`http://${metrics}/metrics`)).rejects.toThrow();
});

test('a review that fails is a 500 without details, and shows nothing', async () => {
  const { get, metrics } = await secure(() => Promise.reject(new Error('canary')));
  expect(await get(`https://${metrics}/metrics`)).toMatchObject({ status: 500, body: 'failed\n' });
});

test('probes stay as they are, at an address of their own', async () => {
  const { get, metrics, probes } = await secure(() => 'forbidden');
  expect(probes).not.toBe(metrics);
  expect(await get(`http://${probes}/healthz`)).toMatchObject({ status: 200 });
  expect(await get(`http://${probes}/metrics`)).toMatchObject({ status: 404 });
});

test('another certificate serves the next connection', async () => {
  const { server, metrics = '' } = await secure(() => 'allowed');
  const serial = async (): Promise<string> => {
    const [host, port] = metrics.split(':');
    const socket = connect({ host, port: Number(port), ca: authority.ca });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  server.certify(await authority.issue(['127.0.0.1']));
  expect(await serial()).not.toBe(before);
});

test('a folder is read again: a new pair is given, what is none is not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tokensync-certificate-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const write = async ({ cert, key }: { cert: string; key: string }): Promise<void> => {
    await writeFile(join(folder, 'tls.crt'), cert);
    await writeFile(join(folder, 'tls.key'), key);
  };
  const clock = new ManualClock();
  const log = new MemoryLog();
  const certificates = new CertificateFolder(folder, clock, log);
  await expect(certificates.read()).rejects.toThrow(
    `no certificate in ${folder} (--metrics-cert-dir): it has no tls.crt and tls.key that can be read`,
  );
  const [first, second] = await Promise.all([authority.issue(['a.test']), authority.issue(['b.test'])]);
  await write({ cert: first.cert, key: second.key });
  await expect(certificates.read()).rejects.toThrow('tls.crt and tls.key are no PEM certificate and its key');
  await write(first);
  expect(await certificates.read()).toEqual(first);

  const given: unknown[] = [];
  const looked = async (): Promise<void> => {
    clock.advance(10_000);
    // the files are read for real; the next look is armed when they are
    while (clock.armed === 0) await new Promise(setImmediate);
  };
  certificates.watch(certificate => given.push(certificate));
  await looked();
  expect(given).toEqual([]);
  for (const [cert, key] of [
    ['', second.key],
    [second.cert, ''],
    [second.cert, 'c4n4ry'],
    [second.cert, first.key],
  ] as const) {
    await write({ cert, key });
    await looked();
    await looked();
  }
  expect(given).toEqual([]);
  // once for each
  expect(log.lines.map(({ message }) => message)).toEqual(
    Array.from({ length: 4 }, () => 'the certificate of /metrics is not taken over'),
  );
  await write(second);
  await looked();
  expect(given).toEqual([second]);
  expect(log.text).not.toContain('c4n4ry');
  certificates.stop();
  expect(clock.armed).toBe(0);
});
