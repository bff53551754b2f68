import { type Dispatcher, errors, request } from 'undici';
import { describe, expect, test } from 'vitest';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { firstOf, routes } from '../../sandbox/routes.ts';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import type { WireHandler, WireRequest, WireResponse, WireSink } from '../../sandbox/wire.ts';

const ORIGIN = 'https://api.example.com';
const answering = (handler: WireHandler): WireDispatcher =>
  new WireDispatcher({ route: routes({ [ORIGIN]: handler }) });
const fault = (kind: NonNullable<WireResponse['fault']>) => answering(() => ({ status: 0, fault: kind }));

/** Hears an answer as it comes; undici's own streams would bring it later. */
class Listening implements Dispatcher.DispatchHandler {
  readonly ended: Promise<void>;
  #end: () => void = () => {};
  readonly #hear: (text: string) => void;

  constructor(hear: (text: string) => void) {
    this.#hear = hear;
    this.ended = new Promise(resolve => {
      this.#end = resolve;
    });
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#hear(chunk.toString());
  }

  onResponseEnd(): void {
    this.#end();
  }
}

/** What an answer sets off takes some microtasks. */
async function hops(count: number): Promise<void> {
  for (let hop = 0; hop < count; hop += 1) await Promise.resolve();
}

describe('WireDispatcher', () => {
  test('carries a request and its answer', async () => {
    let seen: WireRequest | undefined;
    const dispatcher = answering(wire => {
      seen = wire;
      return { status: 201, headers: { 'X-Trace': 'a' }, body: '{"ok":true}' };
    });
    const answer = await request(`${ORIGIN}/v1/things/?a=1`, {
      dispatcher,
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: 'ñ',
    });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers).toEqual({ 'x-trace': 'a', 'content-length': '11' });
    expect(await answer.body.json()).toEqual({ ok: true });
    expect(seen?.method).toBe('POST');
    expect(seen?.url.href).toBe(`${ORIGIN}/v1/things/?a=1`);
    expect(seen?.headers).toEqual({
      host: 'api.example.com',
      'content-type': 'application/json',
      'content-length': '2',
    });
    expect(seen?.body.toString()).toBe('ñ');
    expect(dispatcher.sent).toEqual(new Map([[ORIGIN, 1]]));
    expect(dispatcher.open).toBe(0);
  });

  test.each([
    ['an object', { A: '1', b: ['2', '3'], c: undefined }],
    ['a flat list', ['A', '1', 'b', '2, 3']],
    [
      'pairs',
      new Map([
        ['A', '1'],
        ['b', '2, 3'],
      ]),
    ],
  ])('takes headers as %s', async (_name, headers) => {
    let seen: WireRequest['headers'] = {};
    const dispatcher = answering(wire => {
      seen = wire.headers;
      return { status: 204 };
    });
    const answer = await request(ORIGIN, { dispatcher, headers });
    expect(await answer.body.text()).toBe('');
    expect(seen).toEqual({ host: 'api.example.com', a: '1', b: '2, 3' });
  });

  test.each([
    ['refuse', 'ECONNREFUSED'],
    ['reset', 'UND_ERR_SOCKET'],
  ] as const)('%s errs with %s', async (kind, code) => {
    await expect(request(ORIGIN, { dispatcher: fault(kind) })).rejects.toMatchObject({ code });
  });

  test('an unknown origin is an unknown name, and is counted', async () => {
    const dispatcher = answering(() => ({ status: 200 }));
    await expect(request('http://other.example.com', { dispatcher })).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
    expect(dispatcher.sent.get('http://other.example.com')).toBe(1);
  });

  test('what no socket would send is refused before it is sent', async () => {
    let asked = 0;
    const dispatcher = answering(() => {
      asked++;
      return { status: 200 };
    });
    await expect(request(ORIGIN, { dispatcher, headers: { a: 'b\r\nc: d' } })).rejects.toBeInstanceOf(
      errors.InvalidArgumentError,
    );
    await expect(dispatcher.request({ origin: ORIGIN, path: '/a b', method: 'GET' })).rejects.toBeInstanceOf(
      errors.InvalidArgumentError,
    );
    expect(asked).toBe(0);
  });

  test('an abort before the answer ends it on both sides', async () => {
    const abort = new AbortController();
    let gone = false;
    const dispatcher = answering(wire => {
      wire.signal.addEventListener('abort', () => {
        gone = true;
      });
      return { status: 0, fault: 'hang' };
    });
    const answer = request(ORIGIN, { dispatcher, signal: abort.signal });
    await Promise.resolve();
    abort.abort(new Error('deadline'));
    await expect(answer).rejects.toThrow('deadline');
    expect(gone).toBe(true);
    expect(dispatcher.open).toBe(0);
  });

  test('a signal that was aborted before sends nothing', async () => {
    let asked = 0;
    const dispatcher = answering(() => {
      asked++;
      return { status: 200 };
    });
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(request(ORIGIN, { dispatcher, signal })).rejects.toThrow('too late');
    expect(asked).toBe(0);
  });

  test('a stream gives its chunks in order, and ends', async () => {
    const dispatcher = answering(() => ({
      status: 200,
      stream: sink => {
        sink.write('one\n');
        setImmediate(() => {
          sink.write('two\n');
          sink.end();
        });
      },
    }));
    const { body } = await request(ORIGIN, { dispatcher });
    const chunks: string[] = [];
    for await (const chunk of body) chunks.push(String(chunk));
    expect(chunks).toEqual(['one\n', 'two\n']);
  });

  test('a chunk never arrives within the write of it', async () => {
    let sink: WireSink | undefined;
    const dispatcher = answering(() => ({
      status: 200,
      stream: opened => {
        sink = opened;
      },
    }));
    const { body } = await request(ORIGIN, { dispatcher });
    let received = 0;
    body.on('data', () => received++);
    await new Promise(setImmediate);
    sink?.write('x');
    expect(received).toBe(0);
    await new Promise(setImmediate);
    expect(received).toBe(1);
    body.on('error', () => undefined).destroy();
  });

  test.each([
    ['before the effect of an answer of the same moment', [true, true, true], ['1', '2', '3', 'effect']],
    ['after it', [false, false, false], ['effect', '1', '2', '3']],
    ['in order, whichever comes first', [false, true, false], ['1', 'effect', '2', '3']],
  ])('chunks of a stream arrive %s', async (_when, first, expected) => {
    let sink: WireSink | undefined;
    let chunks = 0;
    const dispatcher = new WireDispatcher({
      route: routes({
        [ORIGIN]: ({ method }) => {
          if (method === 'GET') {
            return {
              status: 200,
              stream: opened => {
                sink = opened;
              },
            };
          }
          for (const text of ['1', '2', '3']) sink?.write(text);
          sink?.end();
          return { status: 204 };
        },
      }),
      streamsFirst: () => first[chunks++] ?? first.at(-1) === true,
    });
    const seen: string[] = [];
    const watch = new Listening(text => seen.push(text));
    dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, watch);
    await new Promise(setImmediate);
    const write = new Listening(() => {});
    dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'POST' }, write);
    await write.ended;
    await hops(5);
    seen.push('effect');
    await watch.ended;
    expect(seen).toEqual(expected);
  });

  test('a stream that is left by its reader tells its writer', async () => {
    let gone = false;
    const dispatcher = answering(wire => ({
      status: 200,
      stream: sink => {
        wire.signal.addEventListener('abort', () => {
          gone = true;
        });
        sink.write('x');
      },
    }));
    const abort = new AbortController();
    const { body } = await request(ORIGIN, { dispatcher, signal: abort.signal });
    const text = body.text();
    abort.abort(new Error('left'));
    await expect(text).rejects.toThrow('left');
    expect(gone).toBe(true);
    expect(dispatcher.open).toBe(0);
  });

  test('a stream that breaks errs in the middle', async () => {
    const dispatcher = answering(() => ({
      status: 200,
      stream: sink => {
        sink.write('half');
        sink.reset();
      },
    }));
    const { body } = await request(ORIGIN, { dispatcher });
    await expect(body.text()).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' });
  });

  test('latency is on the clock, and an abort meanwhile sends nothing', async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const arrived: number[] = [];
    const dispatcher = new WireDispatcher({
      route: routes({
        [ORIGIN]: () => {
          arrived.push(clock.monotonic());
          return { status: 200 };
        },
      }),
      latency: { clock, ms: origin => (origin === ORIGIN ? 40 : 0) },
    });
    const abort = new AbortController();
    const first = request(ORIGIN, { dispatcher });
    const second = request(ORIGIN, { dispatcher, signal: abort.signal });
    abort.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    await clock.runUntilIdle();
    await (await first).body.dump();
    expect(arrived).toEqual([40]);
  });

  test('a handler that throws is a 500, and is told', async () => {
    const bugs: unknown[] = [];
    const dispatcher = new WireDispatcher({
      route: routes({
        [ORIGIN]: () => {
          throw new Error('bug');
        },
      }),
      onBug: error => bugs.push(error),
    });
    expect((await request(ORIGIN, { dispatcher })).statusCode).toBe(500);
    expect(bugs).toHaveLength(1);
  });

  test('close waits for what is under way, destroy does not', async () => {
    const dispatcher = fault('hang');
    const hanging = request(ORIGIN, { dispatcher });
    let closed = false;
    const closing = dispatcher.close().then(() => {
      closed = true;
    });
    await new Promise(setImmediate);
    expect(closed).toBe(false);
    await expect(request(ORIGIN, { dispatcher })).rejects.toBeInstanceOf(errors.ClientClosedError);
    const failed = expect(hanging).rejects.toBeInstanceOf(errors.ClientDestroyedError);
    await dispatcher.destroy();
    await failed;
    await closing;
    await expect(request(ORIGIN, { dispatcher })).rejects.toBeInstanceOf(errors.ClientDestroyedError);
  });

  test('two turns of the loop settle a request, its body, and what follows', async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const dispatcher = answering(() => ({ status: 200, body: '{"n":1}' }));
    let sum = 0;
    clock.after(1, () => {
      void (async () => {
        for (let turn = 0; turn < 20; turn++) {
          const { body } = await request(ORIGIN, { dispatcher });
          sum += ((await body.json()) as { n: number }).n;
        }
      })();
    });
    clock.after(2, () => expect(sum).toBe(20));
    await clock.runUntilIdle();
    expect(sum).toBe(20);
  });
});

describe('routes', () => {
  const one: WireHandler = () => ({ status: 200 });
  const two: WireHandler = () => ({ status: 200 });
  const route = firstOf(routes({ 'https://*.a.com': one }), routes({ 'https://b.com:8443': two }));

  test.each([
    ['https://x.a.com', one],
    ['https://y.x.a.com', undefined],
    ['https://a.com', undefined],
    ['http://x.a.com', undefined],
    ['https://b.com:8443', two],
    ['https://b.com', undefined],
  ])('%s', (origin, handler) => {
    expect(route(origin)).toBe(handler);
  });
});
