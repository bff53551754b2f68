import { expect, test } from 'vitest';
import { Shelf } from '../../src/loop/shelf.ts';

interface Item {
  readonly value: number;
}

function shelf(most: number) {
  const packed: number[] = [];
  const made = new Shelf<Item>(
    {
      pack: ({ value }) => {
        packed.push(value);
        return Buffer.from(String(value));
      },
      unpack: bytes => ({ value: Number(bytes.toString()) }),
    },
    most,
  );
  return { made, packed };
}

test('packs what came first when there are more than it keeps warm', () => {
  const { made, packed } = shelf(2);
  for (let value = 1; value <= 4; value += 1) made.set(`k${value}`, { value });
  expect(packed).toEqual([1, 2]);
  expect([...made.values()].map(({ value }) => value)).toEqual([1, 2, 3, 4]);
  expect([made.size, [...made.keys()]]).toEqual([4, ['k1', 'k2', 'k3', 'k4']]);
});

test('what is got is warm again, and what is peeked at stays packed', () => {
  const { made, packed } = shelf(2);
  for (let value = 1; value <= 3; value += 1) made.set(`k${value}`, { value });
  expect(made.peek('k1')).toEqual({ value: 1 });
  expect(packed).toEqual([1]);
  const one = made.get('k1');
  expect(packed).toEqual([1, 2]);
  expect(made.get('k1')).toBe(one);
});

test('what was packed and did not change is not packed again', () => {
  const { made, packed } = shelf(1);
  made.set('a', { value: 1 });
  made.set('b', { value: 2 });
  expect(made.get('a')).toEqual({ value: 1 });
  expect(made.get('b')).toEqual({ value: 2 });
  expect(made.get('a')).toEqual({ value: 1 });
  expect(packed).toEqual([1, 2]);
});

test('when most are gone their memory is given back, and the others are as they were', () => {
  const bytes = 1024;
  const made = new Shelf<Item>(
    {
      pack: ({ value }) => Buffer.alloc(bytes, `${value} `),
      unpack: text => ({ value: Number.parseInt(text.toString(), 10) }),
    },
    1,
  );
  const count = 4000;
  for (let value = 0; value < count; value += 1) made.set(String(value), { value });
  for (let value = 0; value < count; value += 1) if (value % 100 !== 0) made.delete(String(value));
  expect([...made.values()].map(({ value }) => value)).toEqual(
    Array.from({ length: count / 100 }, (_, index) => 100 * index),
  );
  expect(made.packedBytes).toBeLessThan((count * bytes) / 2);
});

test('at rest all is packed, and is as it was; what did not change is not packed again', () => {
  const { made, packed } = shelf(2);
  for (let value = 1; value <= 3; value += 1) made.set(`k${value}`, { value });
  made.rest();
  expect(packed.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  const three = made.get('k3');
  expect(made.get('k3')).toBe(three);
  made.set('k2', { value: 4 });
  made.rest();
  expect(packed.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  expect([...made.values()].map(({ value }) => value)).toEqual([1, 4, 3]);
});

test('what is set anew is what is packed, and what was deleted is gone', () => {
  const { made } = shelf(1);
  made.set('a', { value: 1 });
  made.set('a', { value: 2 });
  made.set('b', { value: 3 });
  expect(made.get('a')).toEqual({ value: 2 });
  made.delete('a');
  made.set('c', { value: 4 });
  expect([made.get('a'), made.get('b'), made.get('c')]).toEqual([undefined, { value: 3 }, { value: 4 }]);
});

test('without a packing everything stays as it is', () => {
  const made = new Shelf<Item>(undefined, 1);
  const items = [1, 2, 3].map(value => ({ value }));
  for (const item of items) made.set(String(item.value), item);
  expect(items.map(({ value }) => made.get(String(value)) === items[value - 1])).toEqual([true, true, true]);
});
