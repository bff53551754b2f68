import { expect, test } from 'vitest';
import { LineSplitter } from '../../src/kube/lines.ts';

const text = '{"a":"é€𝄞"}\n{"b":2}\n\n{"c":"ñ"}\n';
const lines = ['{"a":"é€𝄞"}', '{"b":2}', '{"c":"ñ"}'];

test('lines come out the same wherever chunks end, also inside a character', () => {
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const seen: string[] = [];
    const splitter = new LineSplitter(line => seen.push(line), 1000);
    for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
    expect(seen).toEqual(lines);
    expect(splitter.pending).toBe(0);
  }
});

test('a line that never ends is refused once it is too long, and one of that length is not', () => {
  const seen: string[] = [];
  const splitter = new LineSplitter(line => seen.push(line), 10);
  expect(splitter.push(Buffer.from('12345'))).toBe(true);
  expect(splitter.push(Buffer.from('67890'))).toBe(true);
  expect(splitter.push(Buffer.from('\n123'))).toBe(true);
  expect(splitter.pending).toBe(3);
  expect(splitter.push(Buffer.from('45678901'))).toBe(false);
  expect(seen).toEqual(['1234567890']);
});
