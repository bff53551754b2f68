import { describe, expect, test } from 'vitest';
import { trouble } from './trouble.ts';

describe('a login that never worked', () => {
  test('is tried at once, after 1 minute and after 10 more, then Stalled for good', async () => {
    const t = await trouble({}, made => made.apply('a', { password: 'wrong' }));
    await t.pass(5);
    expect(t.says('a', 'Ready')).toBe('False Rejected');
    expect(t.says('a', 'Stalled')).toBe('absent');
    await t.pass(86_400);
    expect(t.times()).toEqual([0, 60, 660]);
    expect([t.says('a', 'Ready'), t.says('a', 'Refreshed'), t.says('a', 'Stalled')]).toEqual(['False RejectionLimit', 'False Rejected', 'True RejectionLimit']);
    console.log(JSON.stringify(t.status('a'), null, 1));
  });
});
