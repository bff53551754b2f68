import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from '../../src/loop/fifo.ts';

test('gives back what came in, in its order, whatever comes and goes between', () => {
  const steps = fc.array(fc.integer({ min: -1500, max: 1500 }), { maxLength: 12 });
  fc.assert(
    fc.property(steps, counts => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const count of counts) {
        for (let each = 0; each < Math.abs(count); each += 1) {
          if (count > 0) {
            fifo.push(next);
            model.push(next++);
          } else if (fifo.shift() !== model.shift()) return false;
        }
        expect(fifo.size).toBe(model.length);
        expect([...fifo]).toEqual(model);
      }
      return true;
    }),
    { numRuns: 50 },
  );
});
