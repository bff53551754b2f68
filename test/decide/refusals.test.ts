import { describe, expect, test } from 'vitest';
import { NO_LOGIN_YET } from '../../src/decide/login-limit.ts';
import { Refusals } from '../../src/decide/refusals.ts';

const DAY = 86_400_000;
const NOW = 100 * DAY;

function made(): { refusals: Refusals; woken: string[] } {
  const woken: string[] = [];
  return { refusals: new Refusals(key => woken.push(key)), woken };
}

describe('refused requests in memory', () => {
  test('count for everyone who would send the same, and for nobody else', () => {
    const { refusals } = made();
    refusals.refused('same', 2, NOW);
    expect(refusals.known('same', NO_LOGIN_YET, NOW)).toMatchObject({
      tries: 2,
      lastTriedAt: NOW,
      refusedAt: [NOW],
    });
    expect(refusals.known('other', NO_LOGIN_YET, NOW)).toEqual(NO_LOGIN_YET);
  });

  test('add up, whoever was refused', () => {
    const { refusals } = made();
    refusals.refused('same', 1, NOW);
    // sent at the same time, by one who did not know of the first
    refusals.refused('same', 1, NOW + 1);
    expect(refusals.known('same', NO_LOGIN_YET, NOW + 1)).toMatchObject({
      tries: 2,
      refusedAt: [NOW, NOW + 1],
    });
  });

  test('never lower a count of one’s own, and are not counted twice with it', () => {
    const { refusals } = made();
    refusals.refused('same', 1, NOW + 300);
    const own = { ...NO_LOGIN_YET, tries: 3, refusedAt: [NOW - 5000, NOW] };
    expect(refusals.known('same', own, NOW + 400)).toMatchObject({ tries: 3, refusedAt: [NOW - 5000, NOW] });
  });

  test('end with a success, and after a day', () => {
    const { refusals } = made();
    refusals.refused('a', 3, NOW);
    refusals.refused('b', 3, NOW);
    refusals.accepted('a');
    expect(refusals.known('a', NO_LOGIN_YET, NOW).tries).toBe(0);
    expect(refusals.known('b', NO_LOGIN_YET, NOW + DAY - 1).tries).toBe(3);
    expect(refusals.known('b', NO_LOGIN_YET, NOW + DAY).tries).toBe(0);
  });

  test('take no memory without end', () => {
    const { refusals } = made();
    for (let index = 0; index < 10_005; index += 1) refusals.refused(`r${index}`, 1, NOW);
    expect(refusals.known('r0', NO_LOGIN_YET, NOW).tries).toBe(0);
    expect(refusals.known('r10004', NO_LOGIN_YET, NOW).tries).toBe(1);
  });
});

test('a request that may be refused is sent by one at a time: the others are woken for what it found out', () => {
  const { refusals, woken } = made();
  expect(refusals.enter('same', 'a')).toBe(true);
  expect([refusals.enter('same', 'b'), refusals.enter('same', 'c'), refusals.enter('same', 'b')]).toEqual([
    false,
    false,
    false,
  ]);
  expect(refusals.enter('other', 'd')).toBe(true);
  refusals.leave('same');
  expect(woken).toEqual(['b', 'c']);
  expect(refusals.enter('same', 'c')).toBe(true);
});
