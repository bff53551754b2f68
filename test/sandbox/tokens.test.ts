import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { Tokens } from '../../sandbox/providers/tokens.ts';

test.each(['ada', 'ünïcode', 'x'.repeat(500)])(
  'a JWT bears the signature that any library would check: %s',
  account => {
    const key = Buffer.from(Array.from({ length: 32 }, (_, index) => 7 * index));
    const tokens = new Tokens('pgf', key, () => 0);
    for (let time = 0; time < 2; time++) {
      const [header, claims, signature] = tokens.jwt(account, 60_000).split('.');
      const signed = `${header}.${claims}`;
      expect(signature).toBe(createHmac('sha256', key).update(signed).digest('base64url'));
    }
  },
);
