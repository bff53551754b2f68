import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { WireHandler } from '../../sandbox/wire.ts';
import { type Clock, systemClock } from '../../src/loop/clock.ts';
import { type Dial, type Resolve, systemDial } from '../../src/provider/connect.ts';
import type { NetworkSpec } from '../../src/provider/guard.ts';
import { proxySettings } from '../../src/provider/proxy.ts';
import { createTransport, type TransportOptions } from '../../src/provider/transport.ts';
import type { Sent, Transport } from '../../src/provider/types.ts';
import {
  type Authority,
  account,
  authority,
  certificate,
  connectProxy,
  LOOPBACK,
  type Local,
  listen,
  never,
  plainServer,
  post,
  tlsServer,
} from './local.ts';

const PATH = '/v1/canary-path/login?q=canary-query';

let ca: Authority;
let cert: Authority;
beforeAll(async () => {
  ca = await authority();
  cert = await certificate(ca);
});

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  closing.unshift(one);
  return one;
};

const trusting = (more: Partial<NetworkSpec> = {}): NetworkSpec => ({
  ...LOOPBACK,
  caBundle: ca.cert,
  ...more,
});
const toLoopback: Resolve = async () => [{ address: '127.0.0.1', family: 4 }];
const transport = (more: Partial<TransportOptions> = {}): Transport =>
  keep(createTransport({ clock: systemClock, resolve: toLoopback, ...more }));

/** Sends, and holds that no failure repeats what is secret or comes from a library. */
async function send(to: Transport, url: string, network = trusting(), timeoutMs = 5000, signal = never()) {
  const sent = await to.send(account(network, timeoutMs), post(url), signal);
  if (!sent.ok) expect(JSON.stringify(sent)).not.toMatch(/canary|127\.0\.0\.1|ECONN|UND_|provider\.test/);
  return sent;
}
/** undici looks at a socket for a turn before it uses it again. */
const turn = () => new Promise(resolve => setImmediate(resolve));
const saying = (text: string): unknown => expect.stringContaining(text);
const failure = (sent: Sent) => (sent.ok ? { ok: sent.answer.status } : sent.failure);

describe('an exchange', () => {
  test('sends method, path, headers and body, and gives the answer whole', async () => {
    const seen: unknown[] = [];
    const server = keep(
      await tlsServer(cert, (request, response) => {
        let body = '';
        request.on('data', chunk => (body += chunk));
        request.on('end', () => {
          seen.push([
            request.method,
            request.url,
            request.headers['content-type'],
            request.headers.host,
            body,
          ]);
          response.setHeader('X-Twice', ['a', 'b']);
          response.writeHead(201).end('{"a":1}');
        });
      }),
    );
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    if (!sent.ok) throw new Error(sent.failure.message);
    expect(sent.answer.status).toBe(201);
    expect(sent.answer.headers['x-twice']).toBe('a, b');
    expect(Buffer.from(sent.answer.body).toString()).toBe('{"a":1}');
    expect(seen).toEqual([
      ['POST', PATH, 'application/json', `provider.test:${server.port}`, '{"password":"canary-body"}'],
    ]);
  });

  test.each([301, 307, 308])('a %i is an answer, and is not followed', async status => {
    let requests = 0;
    const server = keep(
      await tlsServer(cert, (_, response) => {
        requests++;
        response.writeHead(status, { location: '/elsewhere' }).end();
      }),
    );
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    expect(sent).toMatchObject({ ok: true, answer: { status, headers: { location: '/elsewhere' } } });
    expect(requests).toBe(1);
  });

  test('connections are reused, also by many providers with the same network settings', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const one = transport();
    for (let i = 0; i < 5; i++) {
      const sent = await send(one, `https://provider.test:${server.port}/`, { ...trusting() });
      expect(sent.ok).toBe(true);
      await turn();
    }
    expect(server.connections()).toBe(1);
  });

  test('a request that breaks HTTP is told of as such', async () => {
    const to = transport();
    const sent = await to.send(
      account(trusting()),
      post('https://provider.test:1/', { headers: { 'x-a': 'canary\r\nb: c' } }),
      never(),
    );
    expect(failure(sent)).toMatchObject({ class: 'Invalid', reason: 'RequestInvalid', sent: 'no' });
    expect(JSON.stringify(sent)).not.toContain('canary');
    expect(failure(await to.send(account(trusting()), post('canary'), never()))).toMatchObject({
      reason: 'RequestInvalid',
    });
  });
});

describe('an answer that is too large', () => {
  const KIB = Buffer.alloc(1024, 'x');
  const endless = (status: number, headers: Record<string, string> = {}) =>
    tlsServer(cert, (request, response) => {
      request.resume();
      response.writeHead(status, headers);
      const more = (): void => {
        while (!response.destroyed && response.write(KIB));
      };
      response.on('drain', more);
      more();
    });

  test.each([
    ['endless', {}],
    ['of 100 MB by its own account', { 'content-length': String(100 * 1024 * 1024) }],
  ])('%s: is cut off', async (_, headers) => {
    const server = keep(await endless(200, headers as Record<string, string>));
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    expect(failure(sent)).toMatchObject({ class: 'Unusable', reason: 'Unusable', sent: 'yes' });
    expect(failure(sent)).toMatchObject({ message: saying('256 KiB') });
  });

  test('with a status that tells enough: the status counts', async () => {
    const server = keep(await endless(401));
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    expect(sent).toMatchObject({ ok: true, answer: { status: 401, body: new Uint8Array() } });
  });

  test('256 KiB are not', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end(Buffer.alloc(256 * 1024, 'x'))));
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    expect(sent.ok && sent.answer.body.length).toBe(256 * 1024);
  });
});

describe('what was never sent', () => {
  const fails =
    (code: string): Resolve =>
    async () => {
      throw Object.assign(new Error(`canary ${code} provider.test`), { code });
    };
  test.each([
    ['ENOTFOUND', 'does not resolve'],
    ['EAI_AGAIN', 'could not be resolved for now'],
    ['EWHATEVER', 'no connection came about'],
  ])('DNS: %s', async (code, words) => {
    const sent = await send(transport({ resolve: fails(code) }), `https://provider.test${PATH}`);
    expect(failure(sent)).toMatchObject({ class: 'Unavailable', reason: 'Unreachable', sent: 'no' });
    expect(failure(sent)).toMatchObject({ message: saying(words) });
  });

  test('a name without addresses', async () => {
    const sent = await send(transport({ resolve: async () => [] }), `https://provider.test${PATH}`);
    expect(failure(sent)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
  });

  test('a refused connection', async () => {
    const dead = await listen(createServer());
    await dead.close();
    const sent = await send(transport(), `https://provider.test:${dead.port}${PATH}`);
    expect(failure(sent)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
    expect(failure(sent)).toMatchObject({ message: saying('refused') });
  });

  test('a server that closes during the handshake', async () => {
    const server = keep(await listen(createServer(socket => socket.destroy())));
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    expect(failure(sent)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
  });

  test('a server without TLS', async () => {
    const server = keep(await plainServer((_, response) => response.end()));
    const sent = await send(transport(), `https://provider.test:${server.port}${PATH}`);
    expect(failure(sent)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
    expect(failure(sent)).toMatchObject({ message: saying('TLS') });
  });

  test('a certificate of an unknown authority, of another name, or of another time', async () => {
    const day = 86_400_000;
    const old = await certificate(ca, ['provider.test'], {
      notBeforeDate: new Date(Date.now() - 2 * day),
      notAfterDate: new Date(Date.now() - day),
    });
    let requests = 0;
    const count = (): void => {
      requests++;
    };
    const [good, other, expired] = [
      keep(await tlsServer(cert, count)),
      keep(await tlsServer(await certificate(ca, ['other.test']), count)),
      keep(await tlsServer(old, count)),
    ];
    const to = transport();
    const words = async (server: Local, network?: NetworkSpec): Promise<unknown> =>
      failure(await send(to, `https://provider.test:${server.port}${PATH}`, network));
    const unreachable = (text: string) => ({
      reason: 'Unreachable',
      sent: 'no',
      message: saying(text),
    });
    expect(await words(good, LOOPBACK)).toMatchObject(unreachable('spec.network.caBundle'));
    expect(await words(other)).toMatchObject(unreachable('for another name'));
    expect(await words(expired)).toMatchObject(unreachable('has expired'));
    expect(requests).toBe(0);
  });

  test('a bundle that holds no certificate', async () => {
    for (const caBundle of [
      'canary',
      '-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----',
      `${ca.cert}${cert.key}`,
    ]) {
      const sent = await send(transport(), 'https://provider.test:1/', trusting({ caBundle }));
      expect(failure(sent)).toMatchObject({ class: 'Invalid', reason: 'DefinitionInvalid', sent: 'no' });
      expect(failure(sent)).toMatchObject({ message: saying('spec.network.caBundle') });
    }
  });
});

describe('the deadline, over all of it', () => {
  const clock = () => new VirtualClock({ startMs: 0 });
  const silent = () => listen(createServer());

  test('while a name is resolved', async () => {
    const time = clock();
    const to = transport({ clock: time, resolve: () => new Promise(() => {}) });
    const sending = send(to, `https://provider.test${PATH}`, trusting(), 700);
    await time.advance(699);
    expect(await Promise.race([sending, Promise.resolve('under way')])).toBe('under way');
    await time.advance(1);
    expect(failure(await sending)).toMatchObject({ class: 'Unavailable', reason: 'Unreachable', sent: 'no' });
    expect(failure(await sending)).toMatchObject({ message: saying('0.7s') });
  });

  test('while TLS is spoken; and the connection is given up later', async () => {
    let closed = (): void => {};
    const gone = new Promise<void>(resolve => {
      closed = resolve;
    });
    let accepted = (): void => {};
    const arrived = new Promise<void>(resolve => {
      accepted = resolve;
    });
    const server = keep(
      await listen(
        createServer(socket => {
          socket.resume();
          socket.on('close', () => closed());
          accepted();
        }),
      ),
    );
    const time = clock();
    const sending = send(
      transport({ clock: time }),
      `https://provider.test:${server.port}${PATH}`,
      trusting(),
      700,
    );
    await arrived;
    await time.advance(700);
    expect(failure(await sending)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
    await time.advance(60_000);
    await gone;
  });

  test.each(['headers', 'body'])('while waiting for the %s', async stage => {
    let arrive = (): void => {};
    const arrived = new Promise<void>(resolve => {
      arrive = resolve;
    });
    let closed = (): void => {};
    const gone = new Promise<void>(resolve => {
      closed = resolve;
    });
    const server = keep(
      await tlsServer(cert, (request, response) => {
        request.on('close', () => closed());
        if (stage === 'body') response.writeHead(200).write('{"token":"canary');
        arrive();
      }),
    );
    const time = clock();
    const sending = send(
      transport({ clock: time }),
      `https://provider.test:${server.port}${PATH}`,
      trusting(),
      700,
    );
    await arrived;
    await time.advance(700);
    expect(failure(await sending)).toMatchObject({
      class: 'Unavailable',
      reason: 'OutcomeUnknown',
      sent: 'maybe',
    });
    // what nobody waits for is not left open
    await gone;
    expect(time.nextDue).toBeUndefined();
  });

  test('a request given up while connecting is not sent when the connection comes about', async () => {
    let requests = 0;
    const server = keep(
      await tlsServer(cert, (_, response) => {
        requests++;
        response.end('{}');
      }),
    );
    const time = clock();
    let resolveName: (addresses: { address: string; family: number }[]) => void = () => {};
    const to = transport({
      clock: time,
      resolve: () =>
        new Promise(resolve => {
          resolveName = resolve;
        }),
    });
    const first = send(to, `https://provider.test:${server.port}${PATH}`, trusting(), 700);
    await time.advance(700);
    expect(failure(await first)).toMatchObject({ sent: 'no' });
    const second = send(to, `https://provider.test:${server.port}${PATH}`, trusting(), 700);
    resolveName([{ address: '127.0.0.1', family: 4 }]);
    expect(failure(await second)).toEqual({ ok: 200 });
    expect(requests).toBe(1);
  });

  test('a signal stops it, before and while', async () => {
    const server = keep(await silent());
    const to = transport();
    const url = `https://provider.test:${server.port}${PATH}`;
    expect(failure(await send(to, url, trusting(), 5000, AbortSignal.abort()))).toMatchObject({ sent: 'no' });
    expect(server.connections()).toBe(0);

    const stop = new AbortController();
    const answering = keep(await tlsServer(cert, () => stop.abort()));
    const sent = await send(
      to,
      `https://provider.test:${answering.port}${PATH}`,
      trusting(),
      5000,
      stop.signal,
    );
    expect(failure(sent)).toMatchObject({ reason: 'OutcomeUnknown', sent: 'maybe' });
  });
});

describe('a POST is written at most once', () => {
  test('when the server resets after reading it, on a fresh connection and on a reused one', async () => {
    let requests = 0;
    const server = keep(
      await tlsServer(cert, (request, response) => {
        requests++;
        if (requests === 2) request.resume().on('end', () => response.end('{}'));
        else request.resume().on('end', () => request.socket.destroy());
      }),
    );
    const to = transport();
    const url = `https://provider.test:${server.port}${PATH}`;
    expect(failure(await send(to, url))).toMatchObject({ reason: 'OutcomeUnknown', sent: 'maybe' });
    expect(failure(await send(to, url))).toEqual({ ok: 200 });
    expect(server.connections()).toBe(2);
    await turn();
    expect(failure(await send(to, url))).toMatchObject({ reason: 'OutcomeUnknown', sent: 'maybe' });
    expect(server.connections()).toBe(2);
    expect(requests).toBe(3);
  });

  test('when the answer breaks off, or is no HTTP', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"token":"canary',
      'canary: no HTTP\r\n\r\n',
    ];
    for (const answer of answers) {
      let requests = 0;
      const server = keep(
        await listen(
          createServer(socket => {
            socket.once('data', () => {
              requests++;
              socket.end(answer);
            });
          }),
        ),
      );
      const sent = await send(
        transport(),
        `http://provider.test:${server.port}${PATH}`,
        trusting({ allowHTTP: true }),
      );
      expect(failure(sent)).toMatchObject({ class: 'Unavailable', reason: 'OutcomeUnknown', sent: 'maybe' });
      expect(requests).toBe(1);
    }
  });
});

describe('the address that is really connected to', () => {
  /** Says where it would have gone; goes nowhere. */
  const recording = () => {
    const dialled: string[] = [];
    const dial: Dial = ({ addresses }, callback) => {
      dialled.push(...addresses.map(one => one.address));
      callback(Object.assign(new Error('not in a test'), { code: 'ECONNREFUSED' }), null);
    };
    return { dialled, dial };
  };
  const resolving =
    (...addresses: string[]): Resolve =>
    async () =>
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }));
  const open: NetworkSpec = { allowCIDRs: [], allowHTTP: false };

  test.each([
    ['private', ['10.0.0.1']],
    ['private', ['fd00::1']],
    ['loopback', ['127.0.0.1']],
    ['loopback', ['::ffff:127.0.0.1']],
    ['link-local', ['fe80::1%2']],
    ['metadata', ['169.254.169.254']],
    ['metadata', ['64:ff9b::a9fe:a9fe']],
    ['shared (carrier-grade NAT)', ['100.64.0.1']],
    ['multicast', ['224.0.0.1']],
    ['unspecified', ['0.0.0.0']],
    ['private', ['8.8.8.8', '10.0.0.1']],
    ['private', ['2606:4700::1111', '8.8.8.8', '192.168.0.1']],
    ['reserved', ['nonsense']],
  ])('%s: a name that resolves to %j is refused, and nothing is dialled', async (kind, addresses) => {
    const { dialled, dial } = recording();
    const sent = await send(
      transport({ dial, resolve: resolving(...addresses) }),
      `https://provider.test${PATH}`,
      open,
    );
    expect(failure(sent)).toMatchObject({ class: 'Invalid', reason: 'AddressRefused', sent: 'no' });
    expect(failure(sent)).toMatchObject({ message: saying(` ${kind} address`) });
    expect(dialled).toEqual([]);
  });

  test.each(['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', '169.254.169.254', '10.0.0.1'])(
    'literal %s is refused without asking a resolver',
    async host => {
      const { dialled, dial } = recording();
      const asked: string[] = [];
      const resolve: Resolve = async name => {
        asked.push(name);
        return [{ address: '8.8.8.8', family: 4 }];
      };
      const sent = await transport({ dial, resolve }).send(
        account(open),
        post(`https://${host}${PATH}`),
        never(),
      );
      expect(failure(sent)).toMatchObject({ reason: 'AddressRefused' });
      expect([dialled, asked]).toEqual([[], []]);
    },
  );

  test('public ones are dialled as they were judged', async () => {
    const { dialled, dial } = recording();
    const to = transport({ dial, resolve: resolving('8.8.8.8', '2606:4700::1111') });
    expect(failure(await send(to, `https://provider.test${PATH}`, open))).toMatchObject({
      reason: 'Unreachable',
    });
    expect(dialled).toEqual(['8.8.8.8', '2606:4700::1111']);
  });

  test('a name that resolves differently the second time is asked once a connection, and judged each time', async () => {
    const { dialled, dial } = recording();
    const answers = ['8.8.8.8', '127.0.0.1'];
    const to = transport({
      dial,
      resolve: async () => [{ address: answers.shift() ?? '10.0.0.1', family: 4 }],
    });
    expect(failure(await send(to, `https://provider.test${PATH}`, open))).toMatchObject({
      reason: 'Unreachable',
    });
    expect(answers).toEqual(['127.0.0.1']);
    expect(failure(await send(to, `https://provider.test${PATH}`, open))).toMatchObject({
      reason: 'AddressRefused',
    });
    expect(dialled).toEqual(['8.8.8.8']);
  });

  test('what one provider is allowed, another with the same host is not', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const to = transport();
    const url = `https://provider.test:${server.port}${PATH}`;
    expect(failure(await send(to, url, trusting()))).toEqual({ ok: 200 });
    expect(failure(await send(to, url, trusting({ allowCIDRs: [] })))).toMatchObject({
      reason: 'AddressRefused',
    });
    expect(failure(await send(to, url, LOOPBACK))).toMatchObject({ reason: 'Unreachable' });
  });

  test('the next address is tried when the first is dead', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const to = transport({ resolve: resolving('127.0.0.2', '127.0.0.1'), dial: systemDial });
    expect(failure(await send(to, `https://provider.test:${server.port}${PATH}`))).toEqual({ ok: 200 });
    const dead = await listen(createServer());
    await dead.close();
    const both = await send(to, `https://provider.test:${dead.port}${PATH}`);
    expect(failure(both)).toMatchObject({
      reason: 'Unreachable',
      message: saying('refused'),
    });
  });
});

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

describe('an injected dispatcher', () => {
  const wire = (handler: WireHandler, clock: Clock = systemClock) => {
    const dispatcher = new WireDispatcher({
      route: origin => (origin === 'https://provider.test' ? handler : undefined),
    });
    return {
      dispatcher,
      to: transport({ clock, dispatcher, resolve: () => Promise.reject(new Error('unused')) }),
    };
  };
  const open: NetworkSpec = { allowCIDRs: [], allowHTTP: false };
  const url = `https://provider.test${PATH}`;

  test('is used as it is, and not closed', async () => {
    const { to, dispatcher } = wire(request => ({
      status: 200,
      body: `${request.method} ${request.url.pathname}`,
    }));
    const sent = await send(to, url, open);
    expect(sent.ok && Buffer.from(sent.answer.body).toString()).toBe('POST /v1/canary-path/login');
    await to.close();
    expect(failure(await send(to, url, open))).toEqual({ ok: 200 });
    expect(dispatcher.open).toBe(0);
  });

  test.each([
    ['refuse', { reason: 'Unreachable', sent: 'no' }],
    ['reset', { reason: 'OutcomeUnknown', sent: 'maybe' }],
  ] as const)('%s', async (fault, expected) => {
    const { to } = wire(() => ({ status: 200, fault }));
    expect(failure(await send(to, url, open))).toMatchObject(expected);
  });

  test('a name it does not know, and an answer that never comes', async () => {
    const time = new VirtualClock({ startMs: 0 });
    const { to } = wire(() => ({ status: 200, fault: 'hang' }), time);
    expect(failure(await send(to, 'https://other.test/', open))).toMatchObject({
      reason: 'Unreachable',
      sent: 'no',
    });
    const sending = send(to, url, open, 700);
    await time.advance(700);
    expect(failure(await sending)).toMatchObject({ reason: 'OutcomeUnknown', sent: 'maybe' });
  });

  test('scheme and literal addresses are judged before it', async () => {
    const { to, dispatcher } = wire(() => ({ status: 200 }));
    for (const bad of ['http://provider.test/', 'https://0x7f.1/'])
      expect(failure(await send(to, bad, open))).toMatchObject({ reason: 'AddressRefused' });
    expect(dispatcher.sent.size).toBe(0);
  });
});

test('more network settings than are kept still work', async () => {
  const server = keep(await plainServer((_, response) => response.end('{}')));
  const to = transport();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 70; i++) {
      const network = { allowCIDRs: ['127.0.0.0/8', `10.${i}.0.0/16`], allowHTTP: true };
      expect(failure(await send(to, `http://provider.test:${server.port}/`, network))).toEqual({ ok: 200 });
    }
  }
});

test('the system’s resolver shares lookups of one name', async () => {
  const { systemResolver } = await import('../../src/provider/connect.ts');
  const resolve = systemResolver();
  const first = resolve('localhost');
  expect(resolve('localhost')).toBe(first);
  expect((await first).length).toBeGreaterThan(0);
  expect(resolve('localhost')).not.toBe(first);
});

afterAll(() => expect(closing).toEqual([]));
