import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { Providers } from '../providers/index.ts';
import type { Manifest } from './client.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const ManifestShape = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
const Secret = z.object({
  metadata: z.object({ name: z.string() }),
  stringData: z.record(z.string(), z.string()),
});
const Credential = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    providerRef: z.object({ name: z.string() }),
    flow: z.string().optional(),
    environment: z.string().default('production'),
    parameters: z.record(z.string(), z.string()).default({}),
    source: z.object({
      secretRef: z.object({ name: z.string() }),
      keys: z.record(z.string(), z.string()).default({}),
    }),
  }),
});

/** All objects in a folder of the repository, or in one file of it. */
export function manifestsIn(path: string): Manifest[] {
  const files = path.endsWith('.yaml')
    ? [path]
    : readdirSync(ROOT + path)
        .filter(name => name.endsWith('.yaml'))
        .toSorted()
        .map(name => `${path}/${name}`);
  return files.flatMap(file =>
    parseAllDocuments(readFileSync(ROOT + file, 'utf8')).map(document =>
      ManifestShape.parse(document.toJS()),
    ),
  );
}

/** A definition that trusts the sandbox's certificates as well; nothing else of it is changed. */
export function trusting(definition: Manifest, caBundle: string): Manifest {
  const spec = z.looseObject({ network: z.looseObject({}).default({}) }).parse(definition.spec);
  return { ...definition, spec: { ...spec, network: { ...spec.network, caBundle } } };
}

/**
 * Opens an account for each credential among the manifests, with what its Secret says.
 * @returns the names of the credentials.
 */
export function openAccounts(providers: Providers, manifests: readonly Manifest[]): string[] {
  const secrets = new Map(
    manifests
      .filter(({ kind }) => kind === 'Secret')
      .map(manifest => {
        const secret = Secret.parse(manifest);
        return [secret.metadata.name, secret.stringData];
      }),
  );
  const credentials = manifests
    .filter(({ kind }) => kind === 'ProviderCredential')
    .map(manifest => Credential.parse(manifest));
  for (const { metadata, spec } of credentials) {
    const data = secrets.get(spec.source.secretRef.name) ?? {};
    const input = (name: string): string => {
      const value = data[spec.source.keys[name] ?? name];
      if (value === undefined) throw new Error(`${metadata.name}: the Secret has no ${name}`);
      return value;
    };
    openAccount(providers, spec, input);
  }
  return credentials.map(({ metadata }) => metadata.name);
}

function openAccount(
  providers: Providers,
  spec: z.infer<typeof Credential>['spec'],
  input: (name: string) => string,
): void {
  switch (spec.providerRef.name) {
    case 'admintotal':
      providers.admintotal.accounts.add(
        `${spec.parameters.clave ?? ''}/${input('username')}`,
        input('password'),
      );
      return;
    case 'ventiapp':
      providers.ventiapp.accounts.add(input('username'), input('password'));
      return;
    case 'sendfact':
      providers.sendfact.accounts.add(input('username'), input('password'));
      return;
    case 'firmeasy':
      providers.firmeasy.addUser(input('email'), input('password'), input('user_integration_token'));
      return;
    case 'pgf':
      if (spec.flow === 'login-token')
        providers.pgf.accounts.add(`${spec.environment}/dashboard`, input('auth_token'));
      else providers.pgf.accounts.add(`${spec.environment}/${input('username')}`, input('password'));
      return;
    default:
      throw new Error(`the sandbox has no provider ${spec.providerRef.name}`);
  }
}
