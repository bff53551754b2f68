import { describe, expect, it } from 'vitest';
import { measure, mustBeDone } from '../../bench/lib/measure.ts';
import type { Row } from '../../bench/lib/row.ts';
import type { Bench } from '../../bench/rows/bench.ts';

const OPTIONS = { smoke: true, less: false, say: () => {} };
const row = (figure: number): Row => ({ bench: 'b', what: 'speed', figure, unit: 'ms' });
const bench = (name: string, run: Bench['run']): Bench => ({ name, about: '', run });

describe('a benchmark', () => {
  it.each<[string, Bench['run'], string]>([
    [
      'did less than was asked for',
      async () => {
        mustBeDone('refreshes', 499, 500);
        return [row(1)];
      },
      'refreshes: 499 of 500 were done',
    ],
    ['has no rows', async () => [], 'there is no figure of anything'],
    ['has a figure that is none', async () => [row(1), row(Number.NaN)], 'there is no figure of speed'],
    ['has an endless figure', async () => [row(Number.POSITIVE_INFINITY)], 'there is no figure of speed'],
  ])('that %s has failed, and no figure of it is told; the others run', async (_what, run, why) => {
    const told: string[] = [];
    const { found, failed } = await measure(
      [bench('bad', run), bench('good', async () => [row(1)])],
      OPTIONS,
      ({ name }) => told.push(name),
    );
    expect([...found.keys()]).toEqual(['good']);
    expect(failed.get('bad')).toContain(why);
    expect(told.toSorted()).toEqual(['bad', 'good']);
  });
});

it('one that waits runs beside the others in a smoke test, and in its turn otherwise', async () => {
  for (const smoke of [true, false]) {
    const begun: string[] = [];
    const gate = Promise.withResolvers<void>();
    const slow = bench('waits', async () => {
      begun.push('waits');
      if (smoke) await gate.promise;
      return [row(1)];
    });
    const quick = bench('works', async () => {
      begun.push('works');
      gate.resolve();
      return [row(1)];
    });
    await measure([{ ...slow, waits: true }, quick], { ...OPTIONS, smoke }, () => {});
    expect(begun.toSorted()).toEqual(['waits', 'works']);
  }
});

it('what was done is enough', () => {
  expect(() => mustBeDone('refreshes', 500, 500)).not.toThrow();
});
