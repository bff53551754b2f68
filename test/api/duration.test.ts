import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { BEFORE_PATTERN } from '../../src/api/credential.ts';
import { DURATION_PATTERN, formatDuration, parseDuration } from '../../src/api/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['1.5s', 1500],
    ['10s', 10_000],
    ['1m', 60_000],
    ['1m30s', 90_000],
    ['90s', 90_000],
    ['30s1m', 90_000],
    ['1h30m', 5_400_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['1d12h', 129_600_000],
    ['0.001d', 86_400],
    ['0.0s', 0],
    ['1.999ms', 2],
    ['999999999d', 999_999_999 * 86_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    ' ',
    '5',
    's',
    '1.s',
    '.5s',
    '-1s',
    '+1s',
    '1S',
    '1 s',
    ' 1s',
    '1s ',
    '1s\n',
    '1w',
    '1y',
    '1us',
    '1e3s',
    '0x1s',
    '1,5s',
    '1.2345s',
    '1234567890s',
    '30%',
    'NaNs',
    'Infinity',
    '1s'.repeat(33),
  ])('%j is none', text => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [49, '0s'],
    [250, '0.3s'],
    [2500, '2.5s'],
    [9999, '10s'],
    [10_000, '10s'],
    [45_400, '45s'],
    [59_999, '1m'],
    [60_000, '1m'],
    [61_000, '1m1s'],
    [3_723_000, '1h2m'],
    [86_400_000, '1d'],
    [183_600_000, '2d3h'],
    [-45_000, '-45s'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('is always a duration again, off by no more than a tenth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 10 * 365 * 86_400_000 }), ms => {
        const again = parseDuration(formatDuration(ms));
        expect(again).toBeDefined();
        expect(Math.abs((again ?? 0) - ms)).toBeLessThanOrEqual(ms / 10);
      }),
    );
  });
});

describe('patterns', () => {
  it.each([
    ['duration', DURATION_PATTERN],
    ['before', BEFORE_PATTERN],
  ])('mean the same to JavaScript and to RE2: %s', (_, pattern) => {
    const [js, re2] = [new RegExp(pattern), RE2JS.compile(pattern)];
    const piece = fc.constantFrom(
      '0',
      '1',
      '8',
      '80',
      '81',
      '9',
      '%',
      '.',
      'ms',
      'm',
      's',
      'h',
      'd',
      'x',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), pieces => {
        const text = pieces.join('');
        expect(re2.matcher(text).find()).toBe(js.test(text));
      }),
    );
  });

  it.each(['1%', '80%', '30%', '5m', '1h30m'])('before may be %s', text => {
    expect(new RegExp(BEFORE_PATTERN).test(text)).toBe(true);
  });
  it.each(['0%', '81%', '100%', '05%', '1.5%', '%', '', '5', '10%5m'])('before may not be %j', text => {
    expect(new RegExp(BEFORE_PATTERN).test(text)).toBe(false);
  });
});
