import { expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { Outage } from '../../src/kube/outage.ts';

test.each<[string, [number, number | 'error'][], number]>([
  [
    'answers after silence',
    [
      [0, 200],
      [1000, 'error'],
      [5000, 'error'],
      [6000, 200],
    ],
    1,
  ],
  [
    'any answer of its own counts',
    [
      [0, 200],
      [3000, 'error'],
      [6000, 409],
    ],
    1,
  ],
  [
    'one that says "later" is none',
    [
      [0, 200],
      [3000, 503],
      [6000, 429],
      [9000, 500],
      [12_000, 201],
    ],
    1,
  ],
  [
    'once for each outage',
    [
      [1000, 'error'],
      [6000, 200],
      [6001, 200],
      [7000, 'error'],
      [13_000, 200],
      [13_001, 200],
    ],
    2,
  ],
  [
    'a failure now and then is no outage',
    [
      [0, 200],
      [1000, 'error'],
      [2000, 200],
      [3000, 'error'],
      [4900, 200],
    ],
    0,
  ],
  [
    'nor is a time when nothing was asked',
    [
      [0, 200],
      [600_000, 200],
    ],
    0,
  ],
])('%s', async (_what, calls, expected) => {
  const clock = new VirtualClock({ startMs: 0 });
  let over = 0;
  const outage = new Outage(clock, () => {
    over += 1;
  });
  for (const [at, code] of calls) {
    await clock.runUntil(at);
    outage.heard(code);
  }
  expect(over).toBe(expected);
});
