import { z } from 'zod';
import type { Place } from './place.ts';

/** Credentials to be served: each with an account of its own at the provider of the place. */

export type Flow = 'login' | 'refresh';

const pad = (index: number): string => String(index).padStart(5, '0');
export const nameOf = (index: number): string => `credential-${pad(index)}`;

/** What the provider of the place is called for a lane, which is a path of its own there. */
export async function defineProvider(
  place: Place,
  lane: string,
  flow: Flow,
  concurrency = 32,
): Promise<void> {
  const { url, ca } = place.provider;
  const response = { token: 'body.access_token', tokenType: 'body.token_type', expiresIn: 'body.expires_in' };
  await place.client.apply({
    apiVersion: 'tokensync.dev/v1alpha1',
    kind: 'ClusterTokenProvider',
    metadata: { name: lane },
    spec: {
      environments: [{ name: 'main', baseUrl: `${url}/${lane}` }],
      network: { allowCIDRs: ['127.0.0.0/8'], caBundle: ca },
      limits: { concurrency, timeout: '30s' },
      flows: [
        {
          name: flow,
          inputs: ['username', 'password'],
          login: {
            request: {
              path: '/token',
              json: { username: '$(input.username)', password: '$(input.password)' },
            },
            response: flow === 'refresh' ? { ...response, refreshToken: 'body.refresh_token' } : response,
          },
          ...(flow === 'refresh' && {
            refresh: {
              request: { path: '/refresh', json: { refresh: '$(session.refreshToken)' } },
              response: { ...response, refreshToken: 'body.refresh_token' },
            },
          }),
        },
      ],
    },
  });
}

/** @param schedule of every credential. */
export async function populate(
  place: Place,
  options: { namespace: string; provider: string; count: number; schedule?: { before: string } },
): Promise<void> {
  const { namespace, provider, count, schedule } = options;
  await place.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await inParallel(count, 16, async index => {
    const name = nameOf(index);
    await place.client.apply(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `${name}-login`, namespace },
        stringData: { username: `user-${pad(index)}`, password: `password-${pad(index)}` },
      },
      namespace,
    );
    await place.client.apply(
      {
        apiVersion: 'tokensync.dev/v1alpha1',
        kind: 'ProviderCredential',
        metadata: { name, namespace },
        spec: {
          providerRef: { name: provider },
          source: { secretRef: { name: `${name}-login` } },
          target: { name: `${name}-token` },
          ...(schedule !== undefined && { schedule }),
        },
      },
      namespace,
    );
  });
}

/** Runs for each index below the count, so many at once. */
export async function inParallel(
  count: number,
  atOnce: number,
  run: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await run(index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const Annotated = z.object({ annotations: z.record(z.string(), z.string()).optional() });
const Token = z.object({ token: z.object({ issuedAt: z.string() }).optional() });

/** What has arrived in a namespace: the grants that its Secrets tell of, and the statuses that tell of the same. */
export async function arrived(place: Place, namespace: string): Promise<{ grants: number; told: number }> {
  const [secrets, credentials] = await Promise.all([
    place.client.list('Secret', namespace),
    place.client.list('ProviderCredential', namespace),
  ]);
  const issued = new Map<string, string>();
  let grants = 0;
  for (const { metadata } of secrets.items) {
    const { annotations = {} } = Annotated.parse(metadata);
    grants += Number(annotations['tokensync.dev/grants'] ?? 0);
    issued.set(metadata.name, annotations['tokensync.dev/issued-at'] ?? '');
  }
  const told = credentials.items.filter(({ metadata, status }) => {
    const { token } = Token.parse(status ?? {});
    return token !== undefined && token.issuedAt === issued.get(`${metadata.name}-token`);
  }).length;
  return { grants, told };
}
