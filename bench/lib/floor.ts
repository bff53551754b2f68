import { z } from 'zod';
import type { Child } from './child.ts';
import type { Place } from './place.ts';
import { type Flow, nameOf } from './population.ts';

const Written = z.looseObject({
  type: z.string().optional(),
  metadata: z.looseObject({
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  status: z.record(z.string(), z.unknown()).optional(),
});

interface Lane {
  /** Whose first credential the operator has served: the floor writes what was written there. */
  readonly like: string;
  /** The floor's own. */
  readonly lane: string;
  readonly flow: Flow;
  readonly count: number;
  readonly concurrency: number;
  /** What is done besides, since no token was there before. */
  readonly first?: boolean;
}

/** Tells the floor what {@link orderOf} says. */
export async function prepareFloor(floor: Child, place: Place, lane: Lane): Promise<void> {
  await floor.ask(z.null(), 'prepare', await orderOf(place, lane));
}

/** Whom to serve, and how what is written looks. */
export async function orderOf(
  place: Place,
  { like, lane, flow, count, concurrency, first = false }: Lane,
): Promise<unknown> {
  const { client } = place;
  const name = nameOf(0);
  const secret = Written.parse(await client.get('Secret', `${name}-token`, like));
  const session =
    flow === 'login' ? null : Written.parse(await client.get('Secret', `${name}.session`, like));
  const credential = Written.parse(await client.get('ProviderCredential', name, like));
  const served = await client.list('ProviderCredential', lane);
  const uids = new Map(served.items.map(({ metadata }) => [metadata.name, metadata.uid]));
  const frame = ({ type }: z.infer<typeof Written>) => ({ apiVersion: 'v1', kind: 'Secret', type });
  return {
    api: { url: place.url, ca: place.ca, token: place.token },
    provider: { url: place.provider.url, ca: place.provider.ca },
    lane,
    flow,
    first,
    concurrency,
    secret: frame(secret),
    labels: secret.metadata.labels ?? {},
    annotations: secret.metadata.annotations ?? {},
    session: session === null ? null : frame(session),
    status: credential.status,
    credentials: Array.from({ length: count }, (_, index) => ({
      name: nameOf(index),
      uid: uids.get(nameOf(index)) ?? '',
      username: `user-${index}`,
      password: `password-${index}`,
    })),
  };
}
