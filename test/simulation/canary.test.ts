import { expect, test } from 'vitest';
import { OPAQUE_MARK } from '../../sandbox/providers/tokens.ts';
import { bringsSecret, holdsSecret, SECRET_MARK } from '../../sandbox/simulation/canary.ts';

const PASSWORD = `password-${SECRET_MARK}-7/+ %ü`;
const JWT = `${Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')}.e30.x`;

test.each([
  ['an input', PASSWORD],
  ['a JWT', JWT],
  ['an opaque token', `ventiapp-${OPAQUE_MARK}-abc`],
])('%s is found raw, percent-encoded and in base64, whatever stands before it', (_what, value) => {
  for (const before of ['', 'a', 'ab', 'abc']) {
    const text = `${before}${value} and more`;
    expect(holdsSecret(text)).toBe(true);
    expect(holdsSecret(encodeURIComponent(text))).toBe(true);
    expect(holdsSecret(Buffer.from(text).toString('base64'))).toBe(true);
    expect(holdsSecret(Buffer.from(text).toString('base64url'))).toBe(true);
  }
});

test('what is not secret is none', () => {
  expect(holdsSecret('{"namespace":"team-a","name":"ventiapp-password-3","provider":"ventiapp"}')).toBe(
    false,
  );
});

test('of a changed object all that is new is searched: values, keys, and what moved', () => {
  const shared = { note: PASSWORD };
  const before = { kept: shared, list: ['a', { b: 'c' }], gone: 'x' };
  const brings = (changed: Parameters<typeof bringsSecret>[0]): boolean => bringsSecret(changed, before);
  expect(bringsSecret(before, undefined)).toBe(true);
  expect(brings({ kept: shared, list: ['a', { b: 'd' }, null, 7], gone: { y: true } })).toBe(false);
  expect(brings({ kept: { note: `${PASSWORD} again` } })).toBe(true);
  expect(brings({ kept: shared, list: ['a', { b: JWT }] })).toBe(true);
  expect(brings({ kept: shared, [PASSWORD]: 'x' })).toBe(true);
  expect(brings({ kept: shared, gone: ['x', shared] })).toBe(true);
  expect(bringsSecret(PASSWORD, 'x')).toBe(true);
});
