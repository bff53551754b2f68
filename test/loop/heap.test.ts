import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from '../../src/loop/heap.ts';

test('the least comes first, and ties in the order they came, whatever is pushed and popped between', () => {
  const step = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant('pop' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const heap = new Heap<number>();
      let model: { value: number; rank: number }[] = [];
      steps.forEach((rank, order) => {
        if (rank === 'pop') {
          const least = Math.min(...model.map(item => item.rank));
          const first = model.find(item => item.rank === least);
          expect(heap.peek()?.value).toBe(first?.value);
          expect(heap.pop()).toBe(first?.value);
          model = model.filter(item => item !== first);
        } else {
          heap.push(order, rank);
          model.push({ value: order, rank });
        }
        expect(heap.size).toBe(model.length);
      });
    }),
  );
});

test('an empty heap has nothing', () => {
  const heap = new Heap<string>();
  expect([heap.pop(), heap.peek(), heap.size]).toEqual([undefined, undefined, 0]);
});
