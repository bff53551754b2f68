import { Agent, ProxyAgent, request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { createAuthority } from '../../sandbox/certificates.ts';
import { startProxy } from '../../sandbox/proxy.ts';
import { serve } from '../../sandbox/serve.ts';
import type { WireHandler, WireRequest } from '../../sandbox/wire.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function served(handler: WireHandler, tls?: { key: string; cert: string }) {
  const server = await serve(handler, tls === undefined ? {} : { tls });
  closers.push(() => server.close());
  return server;
}

describe('serve', () => {
  test('carries a request and its answer', async () => {
    let seen: WireRequest | undefined;
    const { url } = await served(wire => {
      seen = wire;
      return { status: 201, headers: { 'x-trace': 'a' }, body: 'hello' };
    });
    const answer = await request(`${url}/a/?b=c`, { method: 'POST', body: 'x=1', headers: { Y: 'z' } });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers).toMatchObject({ 'x-trace': 'a', 'content-length': '5' });
    expect(await answer.body.text()).toBe('hello');
    expect(seen).toMatchObject({ method: 'POST', headers: { y: 'z' } });
    expect(seen?.url.href).toBe(`${url}/a/?b=c`);
    expect(seen?.body.toString()).toBe('x=1');
  });

  test.each(['refuse', 'reset'] as const)('%s breaks the connection', async fault => {
    const { url } = await served(() => ({ status: 0, fault }));
    const error: unknown = await request(url).catch((reason: unknown) => reason);
    expect(['UND_ERR_SOCKET', 'ECONNRESET']).toContain((error as { code?: string }).code);
  });

  test('a client that leaves aborts the signal, of a hanging answer and of a stream', async () => {
    const gone: string[] = [];
    const { url } = await served(wire => {
      wire.signal.addEventListener('abort', () => gone.push(wire.url.pathname));
      return wire.url.pathname === '/hang'
        ? { status: 0, fault: 'hang' }
        : { status: 200, stream: sink => sink.write('first') };
    });
    const hanging = new AbortController();
    const hung = request(`${url}/hang`, { signal: hanging.signal });
    const streaming = new AbortController();
    const { body } = await request(`${url}/stream`, { signal: streaming.signal });
    for await (const chunk of body) {
      expect(String(chunk)).toBe('first');
      break;
    }
    hanging.abort();
    await expect(hung).rejects.toThrow();
    await expect.poll(() => [...gone].sort()).toEqual(['/hang', '/stream']);
  });

  test('a stream ends, or breaks', async () => {
    const { url } = await served(wire => ({
      status: 200,
      stream: sink => {
        sink.write('a');
        if (wire.url.pathname === '/end') sink.end();
        else setImmediate(() => sink.reset());
      },
    }));
    expect(await (await request(`${url}/end`)).body.text()).toBe('a');
    await expect((await request(`${url}/reset`)).body.text()).rejects.toThrow();
  });
});

describe('over TLS', () => {
  test.each(['/refuse', '/reset', '/stream'])('%s breaks the connection', async path => {
    const authority = await createAuthority();
    const { url } = await served(
      wire =>
        wire.url.pathname === '/stream'
          ? { status: 200, stream: sink => setImmediate(() => sink.reset()) }
          : { status: 0, fault: wire.url.pathname === '/reset' ? 'reset' : 'refuse' },
      await authority.issue(['127.0.0.1']),
    );
    const dispatcher = new Agent({ connect: { ca: authority.ca } });
    closers.push(() => dispatcher.destroy());
    const answer = request(`${url}${path}`, { dispatcher }).then(({ body }) => body.text());
    expect(['UND_ERR_SOCKET', 'ECONNRESET']).toContain(
      await answer.catch((error: unknown) => (error as { code?: string }).code),
    );
  });
});

describe('proxy and certificates', () => {
  test('a real name is reached through the proxy without being resolved, and verified by the sandbox CA', async () => {
    const authority = await createAuthority();
    const tls = await authority.issue(['*.example.com', 'other.example.org', '127.0.0.1']);
    const { port, url } = await served(wire => ({ status: 200, body: wire.url.host }), tls);
    const proxy = await startProxy(asked => (asked.endsWith('.example.com:443') ? port : undefined));
    closers.push(() => proxy.close());
    const trusting = new ProxyAgent({ uri: proxy.url, requestTls: { ca: authority.ca } });
    const distrusting = new ProxyAgent({ uri: proxy.url });
    const direct = new Agent({ connect: { ca: authority.ca } });
    closers.push(
      () => trusting.close(),
      () => distrusting.destroy(),
      () => direct.close(),
    );

    const answer = await request('https://acme.example.com/x', { dispatcher: trusting });
    expect(await answer.body.text()).toBe('acme.example.com');
    expect(await (await request(url, { dispatcher: direct })).body.text()).toBe(`127.0.0.1:${port}`);
    await expect(request('https://acme.example.com/x', { dispatcher: distrusting })).rejects.toThrow();
    await expect(request('https://stranger.test/x', { dispatcher: trusting })).rejects.toThrow();
    expect(proxy.asked).toEqual([
      { authority: 'acme.example.com:443', allowed: true },
      { authority: 'acme.example.com:443', allowed: true },
      { authority: 'stranger.test:443', allowed: false },
    ]);
  });

  test('the proxy forwards no plain request', async () => {
    const proxy = await startProxy(() => 1);
    closers.push(() => proxy.close());
    expect((await request(proxy.url)).statusCode).toBe(403);
  });
});
