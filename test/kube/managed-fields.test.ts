import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutManagedFields } from '../../src/kube/managed-fields.ts';

const managedFields = [
  { manager: 'kubectl', fieldsV1: { 'f:data': { 'k:{"name":"a]\\"["}': {} } } },
  { manager: 'x', fieldsV1: { 'v:[1]': {} } },
];
const rest = { name: 'a', annotations: { note: ',"managedFields":[{}],', path: 'C:\\' } };

describe('managedFields are cut out of an object', () => {
  test.each([
    ['at the front', { managedFields, ...rest }],
    ['at the end', { ...rest, managedFields }],
    ['alone', { managedFields }],
    ['empty', { ...rest, managedFields: [] }],
    ['absent', rest],
  ])('%s', (_where, metadata) => {
    const { managedFields: _cut, ...left } = metadata as Record<string, unknown>;
    const cut = cutManagedFields(JSON.stringify({ metadata, spec: { list: [[1], 'x'] } }));
    expect(JSON.parse(cut)).toEqual({ metadata: left, spec: { list: [[1], 'x'] } });
    expect(cut).not.toContain('"managedFields":[');
  });

  test('and nothing else is, whatever they and the others hold', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.string()), (list, annotations) => {
        const object = { metadata: { annotations, name: 'a' }, data: annotations };
        const text = JSON.stringify({ ...object, metadata: { ...object.metadata, managedFields: list } });
        expect(cutManagedFields(text)).toBe(JSON.stringify(object));
      }),
    );
  });

  test('a text that is cut short stays as it is', () => {
    const text = JSON.stringify({ metadata: { managedFields } }).slice(0, -4);
    expect(cutManagedFields(text)).toBe(text);
  });
});
