import { expect, test } from 'vitest';
import { difference, type Fields, includes, union } from '../../../sandbox/apiserver/fields.ts';
import { equal } from '../../../sandbox/apiserver/json.ts';

const LEAF = {};
const A = { 'f:data': { '.': {}, 'f:a': LEAF, 'f:b': LEAF } };

test.each<[string, Fields, Fields, boolean]>([
  ['nothing', A, undefined, true],
  ['itself', A, A, true],
  ['a part', A, { 'f:data': { 'f:b': LEAF } }, true],
  ['the container alone', A, { 'f:data': LEAF }, true],
  ['another leaf', A, { 'f:data': { 'f:c': LEAF } }, false],
  ['another field', A, { 'f:type': LEAF }, false],
  ['a container that is no member here', { 'f:data': { 'f:a': LEAF } }, { 'f:data': LEAF }, false],
  ['anything, where there is nothing', undefined, A, false],
])('whether a set of fields includes %s', (_what, set, part, expected) => {
  expect(includes(set, part)).toBe(expected);
  if (set !== undefined) expect(union(set, part) === set).toBe(expected);
});

test('what two sets have in common is taken away; without any, the set stays the same one', () => {
  expect(difference(A, { 'f:data': { 'f:b': LEAF } })).toEqual({ 'f:data': { '.': {}, 'f:a': {} } });
  expect(difference(A, { 'f:data': { 'f:c': LEAF } })).toBe(A);
  expect(difference({ 'f:data': { 'f:a': LEAF } }, { 'f:data': LEAF })).toEqual({ 'f:data': { 'f:a': {} } });
  expect(difference(A, A)).toBeUndefined();
});

test('a key that every object inherits is told from one that it has', () => {
  expect(equal({}, { constructor: 'x' })).toBe(false);
  expect(equal({ constructor: 'x' }, {})).toBe(false);
  expect(equal({ constructor: 'x', a: [1] }, { a: [1], constructor: 'x' })).toBe(true);
});
