import { expect, test } from 'vitest';
import { OPAQUE_MARK } from '../../sandbox/providers/tokens.ts';
import { holdsSecret, SECRET_MARK } from '../../sandbox/simulation/canary.ts';

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
