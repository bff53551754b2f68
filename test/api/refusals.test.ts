import { describe, expect, it } from 'vitest';
import { ProviderCredential } from '../../src/api/credential.ts';
import { ClusterTokenProvider } from '../../src/api/provider.ts';
import { admit } from './admission.ts';
import { credential, fullCredential, fullProvider, merge, provider } from './objects.ts';
import { accepted, credentialRefusals, providerRefusals, type Refusal } from './refusals.ts';

function check({ object, old, field, says }: Refusal): void {
  const { causes } = admit(object, old);
  const there = causes.filter(cause => cause.field === field).map(cause => cause.message);
  expect(there, JSON.stringify(causes)).not.toEqual([]);
  if (says !== undefined) expect(there.join('\n')).toContain(says);
  expect(causes.map(cause => cause.message).join('\n'), 'a rule that cannot be evaluated').not.toContain(
    'evaluating rule',
  );
}

describe('a ProviderCredential is refused, with the field, for', () => {
  it.each(credentialRefusals.map(refusal => [refusal.of, refusal] as const))('%s', (_, refusal) => {
    check(refusal);
  });
});

describe('a ClusterTokenProvider is refused, with the field, for', () => {
  it.each(providerRefusals.map(refusal => [refusal.of, refusal] as const))('%s', (_, refusal) => {
    check(refusal);
  });
});

describe('accepted is', () => {
  it.each(accepted.map(entry => [entry.of, entry] as const))('%s', (_, { object, old }) => {
    expect(admit(object, old).causes).toEqual([]);
  });
});

const reader = { ProviderCredential, ClusterTokenProvider };
const whole = [
  ['a full credential', 'ProviderCredential', fullCredential],
  ['a full provider', 'ClusterTokenProvider', fullProvider],
  ['a least credential', 'ProviderCredential', credential()],
  ['a least provider', 'ClusterTokenProvider', provider()],
  ['an empty target', 'ProviderCredential', credential({ target: {} })],
  [
    'empty limits and network',
    'ClusterTokenProvider',
    provider({ limits: {}, network: {}, allowedNamespaces: {} }),
  ],
  [
    'characters beyond 16 bits',
    'ProviderCredential',
    credential({ parameters: { clave: '😀'.repeat(253) } }),
  ],
  ['accepted edge cases', 'ProviderCredential', accepted[0]?.object ?? {}],
] as const;

describe('what the API server has accepted', () => {
  it.each(whole)('is read as it stands: %s', (_, kind, manifest) => {
    const { object, unknown, causes } = admit(manifest);
    expect([...unknown, ...causes]).toEqual([]);
    expect(object).toMatchObject(manifest);
    expect(reader[kind].parse(object)).toMatchObject({ spec: reader[kind].parse(manifest).spec });
  });

  it.each(whole)('has the same defaults as what we read ourselves: %s', (_, kind, manifest) => {
    const server = admit(manifest).object;
    expect(server).toMatchObject({ spec: reader[kind].parse(manifest).spec });
    expect(reader[kind].parse(manifest).spec).toEqual(reader[kind].parse(server).spec);
  });

  it('starts with a status that is not current', () => {
    expect(admit(credential()).object).toMatchObject({ status: { observedGeneration: -1 } });
  });

  it('loses a misspelt field, which strict validation names', () => {
    expect(admit(merge(credential(), { spec: { suspended: true } })).unknown).toEqual(['spec.suspended']);
  });
});
