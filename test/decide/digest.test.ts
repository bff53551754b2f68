import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical, Digester } from '../../src/decide/digest.ts';
import { anyCharacter } from '../support/characters.ts';

const KEY = Buffer.alloc(32, 7);
const digester = new Digester('abcd1234', KEY);
const INPUTS = { username: 'u', password: 'p' };

describe('a digest', () => {
  test('names its version and key, and tells nothing else', () => {
    expect(digester.of('uid', INPUTS)).toMatch(/^v1:abcd1234:[A-Za-z0-9_-]{32}$/);
  });

  test.each([
    ['the order of keys does not matter', 'uid', { password: 'p', username: 'u' }, true],
    ['another value', 'uid', { username: 'u', password: 'q' }, false],
    ['a value under another key', 'uid', { username: 'p', password: 'u' }, false],
    ['the same of another credential', 'other', INPUTS, false],
  ])('%s', (_what, uid, value, same) => {
    expect(digester.of(uid, value) === digester.of('uid', INPUTS)).toBe(same);
  });

  test('differs with the key: nobody can guess a password without it', () => {
    expect(new Digester('abcd1234', Buffer.alloc(32, 8)).of('uid', INPUTS)).not.toBe(
      digester.of('uid', INPUTS),
    );
  });

  test('cannot move a character between uid and value', () => {
    expect(digester.of('1', 23)).not.toBe(digester.of('12', 3));
  });

  test.each([
    [digester.of('uid', INPUTS), 'same'],
    [digester.of('uid', 'x'), 'other'],
    [new Digester('ffff0000', KEY).of('uid', INPUTS), 'unknown'],
    ['', 'unknown'],
    ['v1:abcd12345:x', 'unknown'],
  ])('%s compares as %s', (recorded, expected) => {
    expect(digester.compare(recorded, digester.of('uid', INPUTS))).toBe(expected);
    expect(digester.comparable(recorded)).toBe(expected !== 'unknown');
  });
});

test.each([1, 32, 64, 65, 200])('is an HMAC-SHA-256, with a key of %d bytes too', size => {
  const key = Buffer.alloc(size, 'key');
  const texts = fc.string({ unit: anyCharacter, maxLength: 300 });
  fc.assert(
    fc.property(texts, text => {
      const mac = createHmac('sha256', key).update(`uid\0${text}`).digest('base64url').slice(0, 32);
      expect(new Digester('k', key).ofText('uid', text)).toBe(`v1:k:${mac}`);
    }),
  );
});

describe('canonical JSON', () => {
  test('is the same for the same value, however its keys are ordered, and different otherwise', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(canonical(shuffled(value))).toBe(canonical(value));
        expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test.each([
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: { b: 1 } }, { a: { b: 2 } }],
    [{ a: '1' }, { a: 1 }],
    [{ a: null }, {}],
  ])('%j is not %j', (a, b) => {
    expect(canonical(a)).not.toBe(canonical(b));
  });
});

function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, shuffled(inner)]),
  );
}
