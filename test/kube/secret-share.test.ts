import { describe, expect, test } from 'vitest';
import { ANNOTATION, API_VERSION, CREDENTIAL_KIND, MANAGED_LABEL } from '../../src/api/names.ts';
import { slimElsewhere, slimSecretMeta } from '../../src/kube/secret.ts';

const whole = { name: 's', namespace: 'ns', uid: 'u', resourceVersion: '7', generation: 0 };
const alone = { ...whole, uid: '' };
const elsewhere = (uid: string): number | undefined => (uid === 'mine' ? undefined : 3);

function ours(owner?: string, kind: string = CREDENTIAL_KIND) {
  const reference = { apiVersion: API_VERSION, kind, name: 'c', uid: owner ?? '', controller: true };
  return {
    metadata: {
      ...whole,
      labels: { [MANAGED_LABEL]: 'true' },
      annotations: { [ANNOTATION.credential]: 'ns/c' },
      ...(owner === undefined ? {} : { ownerReferences: [reference] }),
    },
  };
}

describe('what is kept of a Secret', () => {
  test.each([
    ['a stranger’s: its version', { metadata: { ...whole, labels: { a: 'b' } } }, { metadata: alone }],
    ['ours, of a credential that we have: all', ours('mine'), ours('mine')],
    ['ours, of another replica’s: its version, and where', ours('theirs'), { metadata: alone, elsewhere: 3 }],
    ['ours without an owner, whoever may adopt it: all', ours(), ours()],
    ['ours, of an owner of another kind: all', ours('theirs', 'Pod'), ours('theirs', 'Pod')],
  ])('%s', (_what, raw, kept) => {
    expect(slimSecretMeta(raw, elsewhere)).toEqual(kept);
  });

  test('where all credentials are ours: all', () => {
    expect(slimSecretMeta(ours('theirs'))).toEqual(ours('theirs'));
  });

  test('when its credential becomes another replica’s', () => {
    const kept = ours('mine');
    expect(slimElsewhere(kept, elsewhere)).toBe(kept);
    expect(slimElsewhere(kept, () => 1)).toEqual({ metadata: alone, elsewhere: 1 });
  });
});
