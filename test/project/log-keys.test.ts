import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LOG_KEYS, LOG_MESSAGES, type Log } from '../../src/api/log.ts';
import { MemoryLog } from '../kube/fake-api.ts';

/** The compiler lets a log take the vocabulary's keys and messages alone; here, that nothing in it is left over. */

const SRC = join(import.meta.dirname, '../../src');
const code = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts') && file !== join('api', 'log.ts'))
  .map(file => readFileSync(join(SRC, file), 'utf8'))
  .filter(text => /\blog\b|LogFields/.test(text))
  .join('\n');

describe('is still written', () => {
  const messages = Object.values(LOG_MESSAGES).flatMap(level => Object.keys(level));
  test.each(messages)('%s', message => {
    expect(code).toContain(`'${message}'`);
  });

  // set in an object, or named by a variable of the same name
  test.each(Object.keys(LOG_KEYS))('%s', key => {
    expect(code).toMatch(new RegExp(`[{,\\s]${key}(: |,| })`));
  });
});

test('a key says one thing: nothing of it is a secret, and there is no second name', () => {
  const names = Object.keys(LOG_KEYS);
  for (const banned of ['namespace', 'name', 'key', 'result', 'seconds', 'error', 'token', 'body'])
    expect(names).not.toContain(banned);
});

test('the compiler refuses whatever else a line might hold', () => {
  const log: Log = new MemoryLog();
  const more = { credential: 'a/b', more: 1 };
  const any: Record<string, unknown> = {};
  // @ts-expect-error no key of the vocabulary
  log.info({ credential: 'a/b', password: 'x' }, 'stopped');
  // @ts-expect-error also where it comes with others
  log.info(more, 'stopped');
  // @ts-expect-error who knows what it holds
  log.info(any, 'stopped');
  // @ts-expect-error an object may hold anything
  log.info({ credential: {} }, 'stopped');
  // @ts-expect-error no message of the vocabulary
  log.info({}, 'done');
  // @ts-expect-error a message of another level
  log.debug({}, 'stopped');
  log.info({ credential: 'a/b' }, 'stopped');
});
