import { isObject, type JsonObject } from '../../sandbox/apiserver/json.ts';
import { readYaml } from '../../sandbox/world.ts';
import { Client, collection, isTrue } from '../e2e/cluster.ts';
import type { ControlPlane } from './control-plane.ts';

/** A client of a real API server, as its admin. */
export function clientOf({ url, ca, token }: Pick<ControlPlane, 'url' | 'ca' | 'token'>): Client {
  return new Client({ server: url, ca, token });
}

const OURS = ['ClusterTokenProvider', 'ProviderCredential'] as const;

/** Puts our CRDs there, and waits until they are served. Any number of files may do so at once: an apply that changes nothing is none. */
export async function installCrds(client: Client): Promise<void> {
  await Promise.all(readYaml('crds').map(crd => client.apply(crd)));
  await client.until('CustomResourceDefinition', items => {
    const established = items
      .filter(item => isTrue(item, 'Established'))
      .map(({ metadata }) => metadata.name);
    return OURS.every(kind => established.includes(`${kind.toLowerCase()}s.tokensync.dev`));
  });
  for (const kind of OURS) await served(client, collection(kind, 'default'));
}

/** Established comes a moment before the path is there. */
async function served(client: Client, path: string): Promise<void> {
  const late = AbortSignal.timeout(30_000);
  while ((await client.send('GET', `${path}?limit=1`)).status !== 200) {
    if (late.aborted) throw new Error(`${path} is not served`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/**
 * A definition of deploy/providers that trusts the simulated providers. Definitions are cluster-wide, so each test has some
 * of its own name.
 * @param name of the file: `pgf`.
 */
export function definition(name: string, as: string, caBundle: string): JsonObject {
  const found = readYaml('deploy/providers').find(
    ({ metadata }) => isObject(metadata) && metadata.name === name,
  );
  if (found === undefined || !isObject(found.spec)) throw new Error(`deploy/providers has no ${name}`);
  const network = isObject(found.spec.network) ? found.spec.network : {};
  return { ...found, metadata: { name: as }, spec: { ...found.spec, network: { ...network, caBundle } } };
}
