import { expect, test } from 'vitest';
import { fixture } from '../../sandbox/fixtures.ts';
import { Life, Line } from '../../sandbox/mortal.ts';
import type { WireRequest, WireResponse, WireSink } from '../../sandbox/wire.ts';
import { createWorld } from '../../sandbox/world.ts';

const REQUEST: WireRequest = {
  method: 'GET',
  url: new URL('http://api.sandbox/'),
  headers: {},
  body: Buffer.alloc(0),
  signal: new AbortController().signal,
};

/** A stream at its server's end, and what its client hears of it. */
function streaming(line: Line) {
  const heard: string[] = [];
  const answer: { server?: WireSink } = {};
  const response = line.through(() => ({ status: 200, stream: sink => (answer.server = sink) }))(REQUEST);
  (response as WireResponse).stream?.({
    write: (chunk, taken) => {
      heard.push(String(chunk));
      taken?.();
    },
    end: () => heard.push('end'),
    reset: () => heard.push('reset'),
  });
  if (answer.server === undefined) throw new Error('no stream');
  return { heard, server: answer.server };
}

test('who waits until a line was taken is told so', () => {
  const { heard, server } = streaming(new Line(new Life()));
  server.write('first', () => server.write('second', () => server.end()));
  expect(heard).toEqual(['first', 'second', 'end']);
});

test('a stream that has ended is forgotten: nothing befalls it any more', () => {
  const line = new Line(new Life());
  const [ended, broken, open] = [streaming(line), streaming(line), streaming(line)];
  ended.server.end();
  broken.server.reset();
  line.cut('refuse');
  expect([ended.heard, broken.heard, open.heard]).toEqual([['end'], ['reset'], ['reset']]);
});

test('an operator learns of many objects as of few: their list is streamed', async () => {
  const world = createWorld();
  const { source, credential } = fixture('pgf/login', 1, world.providers);
  world.api.put(source);
  const metadata = credential.metadata as Record<string, string>;
  const spec = { ...(credential.spec as Record<string, string>), suspend: true };
  for (let index = 0; index < 450; index++)
    world.api.put({ ...credential, spec, metadata: { ...metadata, name: `many-${index}` } });
  const { started } = world.start();
  let works = false;
  void started.then(() => (works = true));
  // far from the 30 s after which a list that does not end is asked for in pages
  await world.clock.advance(10_000);
  expect(works).toBe(true);
  expect(world.logs.filter(line => line.includes('does not stream'))).toEqual([]);
});
