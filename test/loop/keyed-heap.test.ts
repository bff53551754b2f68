import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyedHeap } from '../../src/loop/keyed-heap.ts';

test('the least comes first, and ties in the order they came, whatever is set, moved and deleted between', () => {
  const key = fc.integer({ min: 0, max: 30 }).map(String);
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('set' as const), key, rank: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('shift' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 200 }), steps => {
      const heap = new KeyedHeap();
      // The order of a Map is that of its keys' coming.
      const model = new Map<string, number>();
      const first = (): string | undefined => [...model].toSorted(([, x], [, y]) => x - y)[0]?.[0];
      for (const each of steps) {
        if (each.do === 'set') {
          model.delete(each.key);
          model.set(each.key, each.rank);
          heap.set(each.key, each.rank);
        } else if (each.do === 'clear') {
          model.clear();
          heap.clear();
        } else {
          const gone = each.do === 'delete' ? each.key : first();
          if (gone === undefined) continue;
          model.delete(gone);
          heap.delete(gone);
        }
        expect(heap.size).toBe(model.size);
        expect(heap.peek()?.key).toBe(first());
        for (const name of ['0', '7']) expect(heap.rankOf(name)).toBe(model.get(name));
      }
      for (let next = first(); next !== undefined; next = first()) {
        expect(heap.peek()?.key).toBe(next);
        heap.delete(next);
        model.delete(next);
      }
    }),
    { numRuns: 300 },
  );
});
