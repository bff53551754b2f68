import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Resolve } from '../../src/provider/connect.ts';
import { proxySettings } from '../../src/provider/proxy.ts';
import { account, connectProxy, LOOPBACK, listen, never, post, tlsServer } from './local.ts';
import { cert, failure, keep, PATH, saying, send, transport, trusting } from './sending.ts';

describe('through a proxy', () => {
  const through = (url: string, except = '') =>
    proxySettings({ HTTPS_PROXY: url, http_proxy: url, NO_PROXY: except }).settings;
  const blind: Resolve = async () => {
    throw new Error('nothing is resolved here');
  };

  test('by CONNECT, with a CA of one’s own, and the proxy’s password', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const proxy = keep(await connectProxy(server.port));
    const to = transport({ proxy: through(`http://user:canary@127.0.0.1:${proxy.port}`), resolve: blind });
    expect(failure(await send(to, `https://provider.test${PATH}`))).toEqual({ ok: 200 });
    const authorization = `Basic ${Buffer.from('user:canary').toString('base64')}`;
    expect(proxy.asked).toEqual([{ target: 'provider.test:443', authorization }]);
    // TLS is spoken with the provider, not with the proxy
    expect(failure(await send(to, `https://other.test${PATH}`))).toMatchObject({
      reason: 'Unreachable',
      message: saying('for another name'),
    });
    expect(failure(await send(to, `https://provider.test${PATH}`, LOOPBACK))).toMatchObject({
      message: saying('not trusted'),
    });
  });

  test('plain http, where it is allowed', async () => {
    const proxy = keep(await connectProxy(0));
    const to = transport({ proxy: through(`http://127.0.0.1:${proxy.port}`), resolve: blind });
    expect(failure(await send(to, `http://provider.test${PATH}`, trusting({ allowHTTP: true })))).toEqual({
      ok: 200,
    });
    expect(proxy.asked[0]?.target).toBe(`http://provider.test${PATH}`);
  });

  test.each([403, 407, 502])('that answers CONNECT with %i: nothing was sent', async status => {
    const proxy = keep(await connectProxy(0, status));
    const sent = await send(
      transport({ proxy: through(`http://127.0.0.1:${proxy.port}`) }),
      `https://provider.test${PATH}`,
    );
    expect(failure(sent)).toMatchObject({ class: 'Unavailable', reason: 'Unreachable', sent: 'no' });
  });

  test('that is not there: nothing was sent', async () => {
    const dead = await listen(createServer());
    await dead.close();
    const sent = await send(
      transport({ proxy: through(`http://127.0.0.1:${dead.port}`) }),
      `https://provider.test${PATH}`,
    );
    expect(failure(sent)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
  });

  test.each(['127.0.0.1', '169.254.169.254', '[::1]', '10.0.0.1', 'localhost'])(
    '%s is still judged here',
    async host => {
      const proxy = keep(await connectProxy(0));
      const sent = await transport({ proxy: through(`http://127.0.0.1:${proxy.port}`) }).send(
        account({ allowCIDRs: [], allowHTTP: false }),
        post(`https://${host}${PATH}`),
        never(),
      );
      expect(failure(sent)).toMatchObject({ reason: 'AddressRefused', sent: 'no' });
      expect(proxy.connections()).toBe(0);
    },
  );

  test('NO_PROXY goes directly', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const proxy = keep(await connectProxy(server.port));
    const to = transport({ proxy: through(`http://127.0.0.1:${proxy.port}`, '.test,x') });
    expect(failure(await send(to, `https://provider.test:${server.port}${PATH}`))).toEqual({ ok: 200 });
    expect(proxy.connections()).toBe(0);
  });
});
