import { createServer } from 'node:net';
import { Dispatcher } from 'undici';
import { describe, expect, test } from 'vitest';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { WireHandler } from '../../sandbox/wire.ts';
import { type Clock, systemClock } from '../../src/loop/clock.ts';
import type { Resolve } from '../../src/provider/connect.ts';
import type { NetworkSpec } from '../../src/provider/guard.ts';
import {
  account,
  certificate,
  LOOPBACK,
  type Local,
  listen,
  never,
  plainServer,
  post,
  tlsServer,
} from './local.ts';
import { ca, cert, failure, keep, PATH, saying, send, transport, trusting } from './sending.ts';

/** undici looks at a socket for a turn before it uses it again. */
const turn = () => new Promise(resolve => setImmediate(resolve));

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
  let written = 0;
  const endless = (status: number, headers: Record<string, string> = {}) =>
    tlsServer(cert, (request, response) => {
      request.resume();
      response.writeHead(status, headers);
      written = 0;
      const more = (): void => {
        do written++;
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
    // what the sockets' buffers hold may have left
    expect(written).toBeLessThan(16 * 1024);
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
    const time = clock();
    const begun: Dispatcher.DispatchHandler[] = [];
    const slow = new (class extends Dispatcher {
      override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
        begun.push(handler);
        return true;
      }
    })();
    const sending = send(
      transport({ clock: time, dispatcher: slow }),
      `https://provider.test${PATH}`,
      trusting(),
      700,
    );
    await time.advance(700);
    expect(failure(await sending)).toMatchObject({ reason: 'Unreachable', sent: 'no' });
    let aborted = 0;
    const controller = {
      aborted: false,
      paused: false,
      reason: null,
      pause() {},
      resume() {},
      abort: () => aborted++,
    };
    begun[0]?.onRequestStart?.(controller, {});
    expect(aborted).toBe(1);
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
    expect(time.pending).toBe(0);
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
