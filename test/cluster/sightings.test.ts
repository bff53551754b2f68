import { expect, test } from 'vitest';
import { type Sighting, tell } from './sightings.ts';

function sightings(...seen: readonly (readonly [at: number, token: string, live: boolean])[]): Sighting[] {
  return seen.map(([at, token, live]) => ({
    at,
    token,
    live,
    expiresAt: 9000,
    reads: at / 50,
    failedReads: 0,
  }));
}

test('nothing dead, nothing missed', () => {
  const seen = sightings([0, 'a', true], [1000, 'a', true], [2000, 'b', true]);
  expect(tell(seen, 0, 3000)).toEqual({
    asked: 3,
    tokens: 2,
    dead: 0,
    deadMs: 0,
    leastLeftMs: 7000,
    silenceMs: 1000,
    reads: 40,
    failedReads: 0,
  });
});

test('dead from the answer that says so until the next that does not', () => {
  const seen = sightings([0, 'a', true], [1000, 'a', false], [2000, 'a', false], [3500, 'b', true]);
  expect(tell(seen, 0, 4000)).toMatchObject({ dead: 2, deadMs: 2500 });
  expect(tell(seen, 0, 2500), 'and to the end').toMatchObject({ dead: 2, deadMs: 1500 });
});

test('a pod that does not ask is not a pod that is well', () => {
  expect(tell([], 0, 9000)).toMatchObject({ asked: 0, silenceMs: 9000 });
  expect(tell(sightings([1000, 'a', true], [7000, 'a', true]), 0, 8000)).toMatchObject({ silenceMs: 6000 });
});
