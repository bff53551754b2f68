import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { authority, certificate, connectProxy, LOOPBACK, tlsServer } from './local.ts';
import { ca, cert, keep } from './sending.ts';

/** Node reads NODE_EXTRA_CA_CERTS when it starts, so this needs a process of its own. */
const CHILD = `
const at = path => new URL(path, ${JSON.stringify(new URL('../../', import.meta.url).href)}).href;
const { createTransport } = await import(at('src/provider/transport.ts'));
const { proxySettings } = await import(at('src/provider/proxy.ts'));
const { systemClock } = await import(at('src/loop/clock.ts'));
const { account, never, post } = await import(at('test/provider/local.ts'));
const { network, url, proxy } = JSON.parse(process.argv[1]);
const transport = createTransport({
  clock: systemClock,
  resolve: async () => [{ address: '127.0.0.1', family: 4 }],
  proxy: proxySettings(proxy ? { HTTPS_PROXY: proxy } : {}).settings,
});
const sent = await transport.send(account(network), post(url), never());
console.log(sent.ok ? sent.answer.status : sent.failure.reason);
await transport.close();
`;

test('NODE_EXTRA_CA_CERTS is trusted beside a bundle: by the provider’s connection, and by that to a proxy', async () => {
  const extra = await authority('extra');
  const folder = await mkdtemp(join(tmpdir(), 'extra-ca-'));
  keep({ close: () => rm(folder, { recursive: true }) });
  await writeFile(join(folder, 'ca.pem'), extra.cert);
  const ofExtra = await certificate(extra);
  const server = keep(await tlsServer(ofExtra, (_, response) => response.end('{}')));
  const bundled = keep(await tlsServer(cert, (_, response) => response.end('{}')));
  const proxy = keep(await connectProxy(bundled.port, 200, ofExtra));
  const network = { ...LOOPBACK, caBundle: ca.cert };
  const run = async (what: object, env: object): Promise<string> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', CHILD, JSON.stringify(what)],
      { env: { ...process.env, ...env } },
    );
    return stdout.trim();
  };
  const trusted = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') };
  const direct = { network, url: `https://provider.test:${server.port}/` };
  const proxied = { network, url: 'https://provider.test/', proxy: `https://localhost:${proxy.port}` };
  const results = await Promise.all([run(direct, trusted), run(proxied, trusted), run(direct, {})]);
  expect(results).toEqual(['200', '200', 'Unreachable']);
});
