import { z } from 'zod';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import { AskedOf, Journal } from './journal.ts';
import type { Operator } from './operator.ts';
import type { Place } from './place.ts';
import { inParallel, nameOf } from './population.ts';
import { cpuOf } from './proc.ts';
import type { Seen } from './steadiness.ts';

/** Many credentials at several origins of one provider, and what can be seen of them from outside of the operator. */

export interface FleetOptions {
  /** Also the provider's name and its lane. */
  readonly name: string;
  readonly count: number;
  readonly origins: number;
  /** `spec.limits` of the provider. */
  readonly limits: JsonObject;
}

/** Of one process of each kind, ms. */
export interface Spent {
  readonly operator: number;
  readonly api: number;
  readonly provider: number;
}

const AT_ONCE = 500;

export class Fleet {
  readonly options: FleetOptions;
  readonly #place: Place;
  readonly #all: { made: Seen['made']; written: Seen['written']; asked: [number, number, number, number][] } =
    {
      made: [],
      written: [],
      asked: [],
    };
  #peaks: number[] = [];

  /** @param place the sandbox's. */
  static async raise(place: Place, options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(place, options);
    const urls = [place.provider.url];
    while (urls.length < options.origins) urls.push(await place.provider.child.ask(z.string(), 'origin'));
    await fleet.seen();
    await place.client.apply(providerOf(options, urls, place.provider.ca));
    await place.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: options.name } });
    await fleet.put(0, options.count);
    return fleet;
  }

  private constructor(place: Place, options: FleetOptions) {
    this.#place = place;
    this.options = options;
  }

  get api(): NonNullable<Place['sandbox']> {
    const { sandbox } = this.#place;
    if (sandbox === undefined) throw new Error("a fleet's API server is the sandbox's");
    return sandbox;
  }

  originOf(index: number): number {
    return index % this.options.origins;
  }

  /** Makes so many from a number on, past the API: also while it is away. */
  async put(from: number, count: number): Promise<void> {
    const end = from + count;
    for (let start = from; start < end; start += AT_ONCE) {
      const objects: JsonObject[] = [];
      for (let index = start; index < Math.min(end, start + AT_ONCE); index++)
        objects.push(...this.#objects(index));
      await this.api.ask(z.null(), 'put', objects);
    }
  }

  /** As a user makes one more. */
  async add(index: number): Promise<void> {
    for (const object of this.#objects(index)) await this.#place.client.apply(object, this.options.name);
  }

  async remove(from: number): Promise<void> {
    const { name, count } = this.options;
    const path = `/apis/tokensync.dev/v1alpha1/namespaces/${name}/providercredentials`;
    await inParallel(count - from, 16, async offset => {
      await this.#place.client.send('DELETE', `${path}/${nameOf(from + offset)}`);
    });
  }

  /** One of `every` answers takes so long; 0: none. */
  async slow(every: number, ms: number): Promise<void> {
    await this.#place.provider.child.ask(z.null(), 'slow', { every, ms });
  }

  async away(origins: readonly number[], how: 'refuse' | 'hang' | 'answer'): Promise<void> {
    await this.#place.provider.child.ask(z.null(), 'away', { origins, how });
  }

  /** Whether the API server refuses connections, and has broken those that there were. */
  async apiAway(away: boolean): Promise<void> {
    await this.api.ask(z.null(), away ? 'leave' : 'back');
  }

  /** All that was written down until now. */
  async seen(): Promise<Seen> {
    const { asked, peaks } = await this.#place.provider.child.ask(AskedOf, 'asked');
    const journal = await this.api.ask(Journal, 'journal', this.options.name);
    const all = this.#all;
    for (const row of asked) all.asked.push(row);
    for (const row of journal.made) all.made.push(row);
    for (const row of journal.written) all.written.push(row);
    this.#peaks = peaks.map((peak, origin) => Math.max(peak, this.#peaks[origin] ?? 0));
    return all;
  }

  /** Most requests at once by origin, until `seen` was called last. */
  get peaks(): readonly number[] {
    return this.#peaks;
  }

  granted(): Promise<number> {
    return this.#place.provider.granted(this.options.name);
  }

  async spent(operator: Operator): Promise<Spent> {
    const [own, api, provider] = await Promise.all(
      [operator.child.pid, this.api.pid, this.#place.provider.child.pid].map(cpuOf),
    );
    return { operator: own ?? 0, api: api ?? 0, provider: provider ?? 0 };
  }

  #objects(index: number): JsonObject[] {
    const { name: namespace } = this.options;
    const name = nameOf(index);
    return [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `${name}-login`, namespace },
        stringData: { username: `user-${index}`, password: `password-${index}` },
      },
      {
        apiVersion: 'tokensync.dev/v1alpha1',
        kind: 'ProviderCredential',
        metadata: { name, namespace },
        spec: {
          providerRef: { name: namespace },
          environment: `origin-${this.originOf(index)}`,
          source: { secretRef: { name: `${name}-login` } },
          target: { name: `${name}-token` },
        },
      },
    ];
  }
}

function providerOf({ name, limits }: FleetOptions, urls: readonly string[], caBundle: string): JsonObject {
  return {
    apiVersion: 'tokensync.dev/v1alpha1',
    kind: 'ClusterTokenProvider',
    metadata: { name },
    spec: {
      environments: urls.map((url, index) => ({ name: `origin-${index}`, baseUrl: `${url}/${name}` })),
      defaultEnvironment: 'origin-0',
      network: { allowCIDRs: ['127.0.0.0/8'], caBundle },
      limits,
      flows: [
        {
          name: 'login',
          inputs: ['username', 'password'],
          login: {
            request: {
              path: '/token',
              json: { username: '$(input.username)', password: '$(input.password)' },
            },
            response: {
              token: 'body.access_token',
              tokenType: 'body.token_type',
              expiresIn: 'body.expires_in',
            },
          },
        },
      ],
    },
  };
}
