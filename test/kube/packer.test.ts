import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Packer } from '../../src/kube/packer.ts';

const text = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '',
    '#1',
    '@a',
    '=x',
    '"',
    '__proto__',
    'Ready',
    '2026-02-31T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:0x:00Z',
    '007',
    'v1:k:AAAAAAAAAAAAAAAAAB',
    'ü',
  ),
  fc.uuid(),
  fc.date({ noInvalidDate: true }).map(date => `${date.toISOString().slice(0, 19)}Z`),
  fc.date({ noInvalidDate: true }).map(date => date.toISOString()),
  fc.nat().map(String),
  fc
    .tuple(
      fc.constantFrom('v1:k:', 'eyJhbGciOiJub25lIn0.', 'a.b.', ':', '.'),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([head, bytes]) => head + Buffer.from(bytes).toString('base64url')),
);
const { object } = fc.letrec<{ value: unknown; object: Record<string, unknown> }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(number => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.oneof(text, fc.constantFrom('type', 'a')), tie('value'), { maxKeys: 6 }),
}));

test('brings back all that JSON can say', () => {
  const packer = new Packer(['type', 'a']);
  fc.assert(
    fc.property(object, value => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(JSON.stringify(packer.unpack(packer.pack(value)))).toBe(JSON.stringify(plain));
    }),
    { numRuns: 500 },
  );
});

test('keeps nothing of what is undefined', () => {
  const packer = new Packer([]);
  expect(packer.unpack(packer.pack({ a: undefined, b: { c: undefined } }))).toStrictEqual({ b: {} });
});

test('writes out what no longer fits into its dictionary', () => {
  const packer = new Packer(['type']);
  for (let index = 0; index < 5000; index += 1) {
    const object = { type: `word ${index}`, [`field-${index}`]: index };
    expect(packer.unpack(Buffer.from(packer.pack(object)))).toEqual(object);
  }
});

test('grows with what it packs', () => {
  const packer = new Packer([]);
  const large = { a: 'x'.repeat(100_000), b: ['ü'.repeat(50_000)] };
  expect(packer.unpack(packer.pack(large))).toEqual(large);
});

test('takes a fifth of the JSON of what comes again and again', () => {
  const packer = new Packer(['type', 'status', 'reason', 'message']);
  const made = (index: number) => ({
    uid: `4f1c9a5e-0000-4000-8000-${String(index).padStart(12, '0')}`,
    conditions: ['Ready', 'Refreshed'].map(type => ({
      type,
      status: 'True',
      lastTransitionTime: '2026-01-03T12:00:00Z',
      reason: 'TokenLive',
      message: 'The Secret holds a live token, obtained for what the spec says.',
    })),
  });
  packer.pack(made(0));
  expect(packer.pack(made(1)).length).toBeLessThan(JSON.stringify(made(1)).length / 5);
});
