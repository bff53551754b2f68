import { expect, test } from 'vitest';
import { roomFor, Slots } from '../../src/loop/slots.ts';

test('a key keeps its number, and one that was given back serves again', () => {
  const slots = new Slots();
  expect(['a', 'b', 'a'].map(key => slots.take(key))).toEqual([0, 1, 0]);
  slots.release('a');
  slots.release('unknown');
  expect([slots.find('a'), slots.keyOf(0), slots.size]).toEqual([undefined, '', 1]);
  expect([slots.take('c'), slots.take('d'), slots.limit]).toEqual([0, 2, 3]);
  expect([...slots.entries()]).toEqual([
    ['b', 1],
    ['c', 0],
    ['d', 2],
  ]);
});

test('a column grows with what is in it', () => {
  const short = roomFor(new Float64Array(0), 1);
  short[0] = 7;
  expect(roomFor(short, short.length)).toBe(short);
  const long = roomFor(short, short.length + 1);
  expect([long[0], long.length > short.length]).toEqual([7, true]);
});
