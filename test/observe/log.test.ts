import { describe, expect, test, vi } from 'vitest';
import { createLog, type LogOptions } from '../../src/observe/log.ts';
import { ManualClock } from '../provider/manual-clock.ts';

function logging(more: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const clock = new ManualClock();
  clock.advance(1234);
  const log = createLog({ clock, level: 'info', format: 'json', write: line => lines.push(line), ...more });
  return { lines, log };
}

test('one JSON object a line', () => {
  const { lines, log } = logging();
  log.info({ credential: 'shop/acme', seconds: 0.2 }, 'refreshed');
  log.debug({}, 'not shown');
  log.error({}, 'broken\nline');
  expect(lines.every(line => line.endsWith('\n') && line.indexOf('\n') === line.length - 1)).toBe(true);
  expect(lines.map(line => JSON.parse(line) as unknown)).toEqual([
    {
      level: 'info',
      time: '1970-01-01T00:00:01.234Z',
      credential: 'shop/acme',
      seconds: 0.2,
      msg: 'refreshed',
    },
    { level: 'error', time: '1970-01-01T00:00:01.234Z', msg: 'broken\nline' },
  ]);
});

test('what is logged in one turn of the event loop is one write to standard output', async () => {
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const log = createLog({ clock: new ManualClock(), level: 'info', format: 'json' });
    log.info({}, 'one');
    log.info({}, 'two');
    await new Promise(setImmediate);
    log.info({}, 'three');
    await new Promise(setImmediate);
    const written = stdout.mock.calls.map(([text]) => String(text).match(/"msg":"\w+"}\n/g));
    expect(written).toEqual([['"msg":"one"}\n', '"msg":"two"}\n'], ['"msg":"three"}\n']]);
  } finally {
    stdout.mockRestore();
  }
});

test('what is for people is one line too', () => {
  const { lines, log } = logging({ format: 'pretty', level: 'debug' });
  log.debug(
    { credential: 'shop/acme', why: 'two words', list: [1], fake: 'a\nb=c', nothing: null },
    'looking',
  );
  log.warn({}, 'careful');
  expect(lines).toEqual([
    '00:00:01.234 DEBUG looking credential=shop/acme why="two words" list=[1] fake="a\\nb=c" nothing=null\n',
    '00:00:01.234 WARN  careful\n',
  ]);
});

describe('a slip', () => {
  test.each(['json', 'pretty'] as const)('is redacted in %s', format => {
    const { lines, log } = logging({ format });
    const secret = {
      password: 'canary',
      token: 'canary',
      body: 'canary',
      authorization: 'canary',
      ok: 'seen',
    };
    log.info({ ...secret, one: secret, two: { deep: secret } }, 'slip');
    expect(lines.join('')).not.toContain('canary');
    expect(lines.join('').match(/seen/g)).toHaveLength(3);
    expect(lines.join('').match(/\[redacted\]/g)).toHaveLength(12);
  });

  test('an error is logged without its message or cause, wherever it stands', () => {
    const { lines, log } = logging();
    const error = Object.assign(new TypeError('canary\n    second canary', { cause: new Error('canary') }), {
      code: 'E_CODE',
      body: 'canary',
    });
    log.error({ err: error, why: error }, 'failed');
    expect(lines.join('')).not.toContain('canary');
    const entry = JSON.parse(lines.join('')) as {
      err: { type: string; code: string; at: string[] };
      why: unknown;
    };
    expect(entry.err).toMatchObject({ type: 'TypeError', code: 'E_CODE' });
    expect(entry.err.at[0]).toContain('log.test.ts');
    expect(entry.why).toEqual(entry.err);
  });
});
