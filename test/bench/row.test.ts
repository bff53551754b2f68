import { describe, expect, it } from 'vitest';
import {
  atLeast,
  atMost,
  inOrder,
  measured,
  median,
  type Row,
  ratios,
  rounded,
  verdict,
} from '../../bench/lib/row.ts';
import { asMarkdown, asText } from '../../bench/lib/table.ts';

describe('a verdict', () => {
  it.each([
    [0.9, atLeast(0.9), 'met'],
    [0.89, atLeast(0.9), 'missed'],
    [80, atMost(80), 'met'],
    [80.1, atMost(80), 'missed'],
    [Number.NaN, atMost(80), 'missed'],
    [Number.NaN, atLeast(0), 'missed'],
    [1, undefined, ''],
  ] as const)('of %d, where the goal is %o, is %j', (figure, goal, expected) => {
    expect(verdict(goal === undefined ? { figure } : { figure, goal })).toBe(expected);
  });
});

describe('several rounds', () => {
  it('have a median', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it('are told with how far they lie apart, unless there is one alone', () => {
    expect(measured([5, 1, 3])).toEqual({ figure: 3, spread: { least: 1, most: 5 } });
    expect(measured([2])).toEqual({ figure: 2 });
  });

  it('that were not held have no figure', () => {
    expect(() => measured([])).toThrow(RangeError);
  });

  it('are compared each with its counterpart', () => {
    expect(ratios([2, 9], [4, 3])).toEqual([0.5, 3]);
    expect(() => ratios([1, 2], [1])).toThrow(RangeError);
  });
});

it.each([
  [0, '0'],
  [0.381, '0.381'],
  [0.00012, '0.0001'],
  [1.2345, '1.23'],
  [45.67, '45.7'],
  [12_345.6, '12,346'],
])('%d is written %s', (value, text) => {
  expect(rounded(value)).toBe(text);
});

const ROWS: readonly Row[] = [
  { bench: 'b', what: 'plain', figure: 12.34, unit: 'kB' },
  { bench: 'b', what: 'with a goal', figure: 90, unit: 'MiB', goal: atMost(80), note: 'a | b' },
  {
    bench: 'b',
    what: 'of two',
    figure: 0.95,
    unit: 'ratio',
    goal: atLeast(0.9),
    spread: { least: 0.9, most: 1 },
  },
];

describe('a table', () => {
  it('begins with ratios, then has what has a goal', () => {
    expect(inOrder(ROWS).map(({ what }) => what)).toEqual(['of two', 'with a goal', 'plain']);
  });

  it('tells figure, goal and verdict in each row', () => {
    expect(asText(ROWS)).toBe(
      [
        'what          figure   rounds            goal',
        'of two          0.95  0.9 – 1    at least 0.9  met',
        'with a goal   90 MiB           at most 80 MiB  missed',
        'plain        12.3 kB',
        '',
      ].join('\n'),
    );
  });

  it('is Markdown where it is asked for, whatever a note holds', () => {
    expect(asMarkdown(ROWS).split('\n')[3]).toBe(
      '| with a goal | 90 MiB |  | at most 80 MiB | missed | a \\| b |',
    );
  });
});
