import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isObject } from '../../sandbox/apiserver/json.ts';
import { secret } from '../../sandbox/fixtures.ts';
import type { WireRequest, WireResponse } from '../../sandbox/wire.ts';
import { shardOf } from '../../src/lead/shard.ts';
import { type Client, isReady } from '../e2e/cluster.ts';
import { answer, definition, refused } from '../operator/trouble.ts';
import { type RunningControlPlane, startControlPlane } from './control-plane.ts';
import { clientOf } from './install.ts';
import { eventually, furnish, NAMESPACE } from './operated.ts';
import { holders, type Replica, replica } from './replicas.ts';

/** Four replicas that share the work, on a server that sends each its share alone, and on one that does not. */

const SHARDS = 4;
const CREDENTIALS = 24;
/** Seconds that a token lives: each is renewed every 12 s, for the first time after 6 to 12. */
const LIFE = 18;
const LEASE_MS = 3000;
/** What a free shard is left to others for, and what a look at the Leases takes. */
const PATIENCE_MS = 1000;
const TEAM = 'team';

// Each waits more than it works.
describe.concurrent.each([true, false])('where the server knows shardSelector: %s', gate => {
  let plane: RunningControlPlane;
  let client: Client;
  let token: string;
  let uids: Map<string, string>;

  beforeAll(async () => {
    plane = await startControlPlane(gate ? { flags: ['--feature-gates=ShardedListAndWatch=true'] } : {});
    client = clientOf(plane);
    token = await furnish(client);
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: TEAM } });
    await client.apply(definition({ limits: { timeout: '1s' } }));
    for (let index = 0; index < CREDENTIALS; index += 1) {
      const name = `c${index}`;
      await client.apply(secret(TEAM, `${name}-login`, { username: name, password: 'right' }), TEAM);
      await client.apply(
        {
          apiVersion: 'tokensync.dev/v1alpha1',
          kind: 'ProviderCredential',
          metadata: { name, namespace: TEAM },
          spec: {
            providerRef: { name: 'acme' },
            flow: 'session',
            source: { secretRef: { name: `${name}-login` } },
            target: { name: `${name}-token` },
          },
        },
        TEAM,
      );
    }
    const { items } = await client.list('ProviderCredential', TEAM);
    uids = new Map(items.map(({ metadata }) => [metadata.name, String(metadata.uid)]));
  }, 90_000);
  afterAll(async () => {
    await client?.close();
    await plane?.stop();
  });

  const holding = async (): Promise<string[]> => {
    const { body } = await client.send('GET', `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases`);
    const by = holders(body);
    return Array.from({ length: SHARDS }, (_, shard) => by.get(`tokensync-${shard}-of-${SHARDS}`) ?? '');
  };
  const eachHasOne = (replicas: readonly Replica[], withinMs: number): Promise<true> => {
    const names = replicas.map(({ name }) => name).toSorted();
    let seen: string[] = [];
    return eventually(
      async () => {
        seen = await holding();
        const counts = names.map(name => seen.filter(holder => holder === name).length);
        const all = counts.reduce((sum, count) => sum + count, 0) === SHARDS;
        return (all && Math.max(...counts) - Math.min(...counts) <= 1) || undefined;
      },
      () => `shards of ${names.join(', ')}: ${seen.join(', ')}`,
      withinMs,
    );
  };

  test('each has its share, three are killed in turn and come back, and all end for another number of shards', {
    timeout: 90_000,
  }, async context => {
    const provider = new StrictProvider(LIFE);
    const logs: string[] = [];
    let made = 0;
    const make = (shards: number): Replica => {
      made += 1;
      const run = replica(plane, {
        name: `replica-${made}`,
        token,
        flags: [`--shards=${shards}`, `--watch-namespaces=${TEAM}`],
        provider: request => provider.handle(request),
        origin: 'https://login.acme.example',
        logs,
      });
      context.onTestFinished(() => run.kill());
      return run;
    };
    const start = (): Replica => {
      const run = make(SHARDS);
      run.start().catch(() => {});
      return run;
    };
    const replicas = [start(), start(), start(), start()];
    await eachHasOne(replicas, 10_000);
    const killed = new Set<string>();
    const unowned = new Unowned(holding, () =>
      replicas.map(({ name }) => name).filter(name => !killed.has(name)),
    );
    context.onTestFinished(() => unowned.stop());
    await client.until('ProviderCredential', items => items.filter(isReady).length === CREDENTIALS, {
      namespace: TEAM,
    });
    expect(provider.logins).toBe(CREDENTIALS);
    for (const shards of [SHARDS + 1, 1])
      await expect(make(shards).start()).rejects.toThrow(
        `--shards=${shards} is refused: the other replicas work with --shards=${SHARDS}`,
      );

    // what each receives and holds, while tokens are renewed
    const before = replicas.map(run => run.received);
    const events = provider.requests;
    await eventually(() => provider.requests - events >= CREDENTIALS || undefined, 'a round of renewals');
    const received = replicas.map((run, index) => run.received - (before[index] ?? 0));
    const owners = await holding();
    const share = replicas.map(
      ({ name }) => [...uids.values()].filter(uid => owners[shardOf(uid, SHARDS)] === name).length,
    );
    expect(share.reduce((sum, count) => sum + count, 0)).toBe(CREDENTIALS);
    for (const [index, run] of replicas.entries()) expect(await held(run)).toBe(share[index]);
    const whole = Math.max(...received);
    const sum = received.reduce((all, bytes) => all + bytes, 0);
    await context.annotate(`received: ${received.join(', ')} bytes; credentials: ${share.join(', ')}`);
    if (gate) {
      // bookmarks come besides
      for (const [index, bytes] of received.entries())
        expect(bytes / sum).toBeLessThan((share[index] ?? 0) / CREDENTIALS + 0.1);
    } else for (const bytes of received) expect(bytes).toBeGreaterThan(0.7 * whole);

    for (const index of [0, 1, 2]) {
      const lost = replicas[index];
      if (lost === undefined) throw new Error('there are four');
      const others = replicas.filter(run => run !== lost);
      killed.add(lost.name);
      await lost.kill();
      await eachHasOne(others, LEASE_MS + PATIENCE_MS);
      const back = start();
      replicas[index] = back;
      await eachHasOne(replicas, 5000);
    }
    const rounds = provider.requests;
    await unowned.stop();
    await context.annotate(`a shard was without an owner for at most ${Math.round(unowned.longestMs)} ms`);
    expect(unowned.longestMs).toBeLessThan(LEASE_MS + PATIENCE_MS);
    await eventually(() => provider.requests - rounds >= CREDENTIALS || undefined, 'a round of renewals');
    expect(logs.filter(line => line.includes('deposed'))).toEqual([]);
    expect(provider.hasty).toEqual([]);
    // an answer that was under way may be lost with its replica
    expect(provider.logins - CREDENTIALS).toBeLessThanOrEqual(3);
    expect(provider.expired).toEqual([]);
    expect((await client.list('ProviderCredential', TEAM)).items.filter(isReady)).toHaveLength(CREDENTIALS);

    // in order: what is given back is taken at once
    const [first, ...rest] = replicas;
    await first?.stop();
    await eachHasOne(rest, 2000);

    // another number, when all have ended
    const { logins } = provider;
    await Promise.all(rest.map(run => run.stop()));
    await make(1).start();
    expect(provider.logins).toBe(logins);
  });
});

/** Looks all the time at who has each shard: nobody, or one that was killed, is no owner. */
class Unowned {
  longestMs = 0;
  readonly #since = new Map<number, number>();
  #stopped = false;
  readonly #looking: Promise<void>;

  constructor(holding: () => Promise<string[]>, alive: () => readonly string[]) {
    this.#looking = this.#look(holding, alive);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#looking;
  }

  async #look(holding: () => Promise<string[]>, alive: () => readonly string[]): Promise<void> {
    while (!this.#stopped) {
      const owners = await holding();
      const now = performance.now();
      for (const [shard, owner] of owners.entries()) {
        const since = this.#since.get(shard) ?? now;
        if (alive().includes(owner)) this.#since.delete(shard);
        else this.#since.set(shard, since);
        this.longestMs = Math.max(this.longestMs, now - since);
      }
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

/** How many credentials it holds. */
async function held(run: Replica): Promise<number> {
  const shown = await run.scrape();
  return [...shown.matchAll(/^tokensync_credentials_state\{[^}]*\} (\d+)/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

/** Knows one refresh token of each account at a time: what is sent besides is refused. */
class StrictProvider {
  readonly #life: number;
  readonly #serves = new Map<string, string>();
  readonly #grantedAt = new Map<string, number>();
  #tokens = 0;
  requests = 0;
  logins = 0;
  /** Sent for an account too soon after the last. */
  readonly hasty: string[] = [];
  /** Renewed when the last had expired. */
  readonly expired: string[] = [];

  constructor(life: number) {
    this.#life = life;
  }

  handle({ url, body, sender }: WireRequest): WireResponse {
    const sent: unknown = JSON.parse(body.toString());
    if (!isObject(sent)) return refused();
    this.requests += 1;
    const login = url.pathname === '/login';
    if (login) this.logins += 1;
    const user = login ? sent.username : [...this.#serves].find(([, serves]) => serves === sent.refresh)?.[0];
    if (typeof user !== 'string') return refused();
    const now = Date.now();
    const last = this.#grantedAt.get(user);
    if (last !== undefined && now - last < 4900)
      this.hasty.push(`${user} by ${sender} after ${now - last} ms`);
    if (last !== undefined && now - last > this.#life * 1000) this.expired.push(`${user} by ${sender}`);
    this.#grantedAt.set(user, now);
    this.#tokens += 1;
    this.#serves.set(user, `refresh-${this.#tokens}`);
    return answer(
      200,
      { token: `token-${this.#tokens}`, expires_in: this.#life, refresh: `refresh-${this.#tokens}` },
      { date: new Date().toUTCString() },
    );
  }
}
