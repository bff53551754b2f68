import { describe, expect, it } from 'vitest';
import { CredentialStatus, ProviderCredential } from '../../src/api/credential.ts';
import { ClusterTokenProvider, ProviderStatus } from '../../src/api/provider.ts';
import { readCredential, readProvider } from '../../src/kube/objects.ts';
import { admit, CRDS } from './admission.ts';
import { firstAt, nodes } from './schema-nodes.ts';
import { storedObjects } from './stored.ts';

const READERS = {
  ProviderCredential: { schema: ProviderCredential, status: CredentialStatus, read: readCredential },
  ClusterTokenProvider: { schema: ClusterTokenProvider, status: ProviderStatus, read: readProvider },
};

const stored = storedObjects();

describe('an object that a release has stored', () => {
  it.each(stored.map(each => [each.file, each] as const))('is read, nothing of it lost: %s', (_, each) => {
    const { schema, status, read } = READERS[each.kind];
    const parsed = schema.parse(each.object);
    expect({ spec: parsed.spec }).toMatchObject({ spec: each.object.spec });
    expect(status.parse(each.object.status)).toEqual(each.object.status);
    expect(read(each.object)).toMatchObject({ metadata: { name: each.name }, spec: each.object.spec });
  });

  it.each(stored.map(each => [each.file, each] as const))(
    'is still accepted, and not changed: %s',
    (_, each) => {
      const { object, unknown, causes } = admit({ ...each.object });
      expect([...unknown, ...causes]).toEqual([]);
      expect(object).toEqual(each.object);
    },
  );

  it.each(['ProviderCredential', 'ClusterTokenProvider'] as const)(
    'has every field that a %s has; for a new one a file is added, and none is edited',
    kind => {
      const files = stored.filter(each => each.kind === kind);
      const missing = nodes(CRDS[kind].schema)
        .map(({ path }) => path)
        .filter(path => files.every(({ object }) => firstAt(object, path) === undefined));
      expect(missing).toEqual([]);
    },
  );
});
