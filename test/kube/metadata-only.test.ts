import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ObjectMeta, readObjectMeta } from '../../src/api/meta.ts';
import { Metadata, Version } from '../../src/kube/metadata-only.ts';

const META = {
  name: 'a',
  namespace: 'ns',
  uid: 'u',
  resourceVersion: '7',
  generation: 2,
  creationTimestamp: '2026-01-03T12:00:00Z',
  labels: { a: 'b' },
  annotations: { c: ',"managedFields":[{}]}}' },
  ownerReferences: [{ apiVersion: 'v1', kind: 'K', name: 'n', uid: 'o', controller: true }],
};
const managedFields = [{ manager: 'kubectl', fieldsV1: { 'f:data': {} } }];
const answer = (metadata: object, after: object = {}): string =>
  JSON.stringify({ kind: 'PartialObjectMetadata', metadata, ...after });

describe('an answer of metadata alone', () => {
  test.each([
    ['with managedFields at its end', answer({ ...META, managedFields })],
    ['and a newline', `${answer({ ...META, managedFields })}\n`],
    ['without managedFields', answer(META)],
    ['in another order', answer({ managedFields, ...META })],
    ['with something behind them', answer({ ...META, managedFields, finalizers: { x: 1 } })],
    ['with a list behind them', answer({ ...META, managedFields, finalizers: ['x'] })],
    ['with something behind the metadata', answer({ ...META, managedFields }, { data: { a: 'b' } })],
  ])('%s is read without them', (_what, text) => {
    expect(Metadata.ofText?.(text)?.metadata).toEqual(META);
  });

  test('that is cut off is none', () => {
    expect(Metadata.ofText?.(answer({ ...META, managedFields }).slice(0, -1))).toBeUndefined();
  });

  test('is read by hand as the schema reads it', () => {
    const texts = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true, maxKeys: 3 });
    const odd = <T>(value: fc.Arbitrary<T>) =>
      fc.option(fc.oneof({ weight: 9, arbitrary: value }, fc.jsonValue()), { nil: undefined });
    const owner = fc.record(
      {
        apiVersion: odd(fc.string()),
        kind: fc.string(),
        name: fc.string(),
        uid: fc.string(),
        controller: odd(fc.boolean()),
      },
      { requiredKeys: [] },
    );
    const metas = fc.record({
      name: odd(fc.string()),
      namespace: odd(fc.string()),
      uid: odd(fc.string()),
      resourceVersion: odd(fc.string()),
      generation: odd(fc.integer()),
      creationTimestamp: odd(fc.string()),
      deletionTimestamp: odd(fc.string()),
      labels: odd(texts),
      annotations: odd(texts),
      ownerReferences: odd(fc.array(owner, { maxLength: 2 })),
      other: fc.jsonValue(),
    });
    fc.assert(
      fc.property(metas, meta => {
        const raw: unknown = JSON.parse(JSON.stringify(meta));
        expect(readObjectMeta(raw)).toEqual(ObjectMeta.safeParse(raw).data);
      }),
    );
  });
});

describe('the version that a write made', () => {
  test.each([
    ['is told at once', answer({ ...META, managedFields }), '7'],
    [
      'takes a closer look where it stands twice',
      answer({ ...META, a: { resourceVersion: '8' } }),
      undefined,
    ],
    ['or not at all', answer({ name: 'a' }), undefined],
  ])('%s', (_what, text, version) => {
    expect(Version.ofText?.(text)).toBe(version);
  });

  test('no version is no answer', () => {
    expect(Version.safeParse({ metadata: { name: 'a' } }).success).toBe(false);
    expect(Version.safeParse({ metadata: META })).toEqual({ success: true, data: '7' });
  });
});
