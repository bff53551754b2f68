import type { Log } from '../api/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { type Lease, LeaseClient, type LeaseWatch, readLease } from '../kube/lease.ts';
import { ListWatch, type ListWatchHandler } from '../kube/list-watch.ts';
import type { Clock, Random } from '../loop/clock.ts';

/** Label on all Leases of one operator's shards, with the name of the first of them. */
export const SHARDS_OF = 'tokensync.dev/shards-of';

export interface BoardOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease that tells the number of shards; the others' names begin with it. */
  readonly name: string;
  /** For each request. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Many Leases that one watch follows, by a label that they share. */
export class Board {
  readonly #options: BoardOptions;
  readonly #followers = new Map<string, ListWatchHandler<Lease>>();
  readonly #watch: ListWatch<Lease>;

  constructor(options: BoardOptions) {
    const { client, namespace, name, clock, random, log } = options;
    this.#options = options;
    this.#watch = new ListWatch({
      client,
      path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
      query: { labelSelector: `${SHARDS_OF}=${name}` },
      parse: readLease,
      handler: this.#handler(),
      clock,
      random,
      log,
      name: 'leases',
    });
  }

  /** One of the Leases; its watch is the one of all. To be asked for before {@link start}. */
  lease(name: string): BoardLease {
    return new BoardLease(this, this.#options, name);
  }

  start(): void {
    this.#watch.start();
  }

  stop(): Promise<void> {
    return this.#watch.stop();
  }

  get health(): LeaseWatch['health'] {
    return this.#watch.health;
  }

  follow(name: string, handler: ListWatchHandler<Lease>): void {
    this.#followers.set(name, handler);
  }

  #handler(): ListWatchHandler<Lease> {
    return {
      replace: (items, version) => {
        for (const [name, handler] of this.#followers)
          handler.replace(
            items.filter(({ metadata }) => metadata.name === name),
            version,
          );
      },
      upsert: lease => this.#followers.get(lease.metadata.name)?.upsert(lease),
      remove: gone => this.#followers.get(gone.metadata.name)?.remove(gone),
    };
  }
}

class BoardLease extends LeaseClient {
  readonly #board: Board;
  readonly #name: string;

  constructor(board: Board, { client, namespace, name: shardsOf, timeoutMs }: BoardOptions, name: string) {
    super(client, { namespace, name, timeoutMs, labels: { [SHARDS_OF]: shardsOf } });
    this.#board = board;
    this.#name = name;
  }

  override watch(handler: ListWatchHandler<Lease>): LeaseWatch {
    const board = this.#board;
    board.follow(this.#name, handler);
    return {
      start: () => {},
      stop: () => Promise.resolve(),
      get health() {
        return board.health;
      },
    };
  }
}
