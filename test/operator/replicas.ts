import { expect, onTestFinished } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import type { WireResponse } from '../../sandbox/wire.ts';
import type { Run } from '../../sandbox/world.ts';
import { type Asked, refused, Trouble, type TroubleOptions } from './trouble.ts';

/** Seconds: the default times of leader election, and of a token that is renewed every three minutes. */
export const LEASE = 15;
export const RETRY = 2;
export const LIFE = 300;

/**
 * Replicas of one operator at a provider that knows one refresh token at a time: whatever the others send is refused, and
 * costs a login. Whoever sends must hold the Lease.
 */
export class Replicas extends Trouble {
  readonly #sent = new Map<Run, number>();
  /** Who sent while another held the Lease. */
  readonly trespasses: string[] = [];
  /** Of each user, the one refresh token that serves. */
  readonly #refreshTokens = new Map<string, string>();
  #lastHolder = '';

  constructor(options: TroubleOptions = {}) {
    super({ rotate: true, expiresIn: LIFE, ...options });
    this.answer = asked => this.strictly(asked);
    this.world.api.listen(() => {
      if (this.holder !== '') this.#lastHolder = this.holder;
    });
  }

  strictly(asked: Asked): WireResponse {
    this.#checkSender();
    const users = [...this.#refreshTokens];
    const user =
      asked.step === 'login' ? asked.username : users.find(([, token]) => token === asked.refreshToken)?.[0];
    if (user === undefined) return refused();
    const given = this.judge(asked);
    this.#refreshTokens.set(user, `refresh-${this.tokens.length}`);
    return given;
  }

  #checkSender(): void {
    for (const run of this.world.runs) {
      if (run.sent === (this.#sent.get(run) ?? 0)) continue;
      this.#sent.set(run, run.sent);
      if (this.nameOf(run) !== this.#lastHolder) this.trespasses.push(`${this.nameOf(run)} at ${this.now}`);
    }
  }

  nameOf(run: Run): string {
    return `operator-${this.world.runs.indexOf(run) + 1}`;
  }

  async replica(...flags: string[]): Promise<Run> {
    const run = this.world.start(['--leader-elect', ...flags]);
    onTestFinished(() => run.crash());
    await this.world.clock.settle();
    return run;
  }

  /** The Lease's content; empty when there is none. */
  get lease(): Record<string, unknown> {
    return (this.world.api.get('leases', 'tokensync', 'tokensync')?.spec ?? {}) as Record<string, unknown>;
  }

  /** Whose Lease it is: `operator-1`. */
  get holder(): string {
    const { holderIdentity } = this.lease;
    return typeof holderIdentity === 'string' ? holderIdentity.replace(/_[0-9a-f]{16}$/, '') : '';
  }

  /** Someone else's hand on the Lease. */
  editLease(spec: JsonObject): void {
    const found = this.world.api.get('leases', 'tokensync', 'tokensync');
    if (found === undefined) throw new Error('there is no Lease');
    this.world.api.put({ ...found, spec: { ...(found.spec as JsonObject), ...spec } });
  }

  /** Seconds until another holds the Lease. */
  async handOver(to: string, within: number): Promise<number> {
    const from = this.now;
    await this.until(() => this.holder === to, within);
    return this.now - from;
  }

  get refusals(): number {
    return this.asked.length - this.tokens.length;
  }

  /** What is published is the newest that the provider gave, and serves. */
  expectCurrent(): void {
    expect(this.token('a')).toBe(`token-${this.tokens.length}`);
    expect(this.says('a', 'Ready')).toBe('True TokenLive');
    expect(this.trespasses).toEqual([]);
  }
}

export async function replicas(
  options: TroubleOptions & { readonly count?: number } = {},
): Promise<[Replicas, Run, Run]> {
  const t = new Replicas(options);
  t.apply('a', {}, { flow: 'session' });
  const first = await t.replica();
  await t.until(() => t.token('a') === 'token-1');
  await t.pass(10);
  const second = await t.replica();
  await t.pass(1);
  for (let made = 2; made < (options.count ?? 2); made += 1) await t.replica();
  return [t, first, second];
}

/** Lets the operator renew until just after the next request was sent, which is answered when `give` is called. */
export async function inFlight(t: Replicas): Promise<{ give: () => void }> {
  let give = (): void => {};
  t.answer = asked => {
    const given = t.strictly(asked);
    t.answer = again => t.strictly(again);
    return new Promise(resolve => {
      give = () => resolve(given);
    });
  };
  const before = t.asked.length;
  await t.until(() => t.asked.length > before, 3600);
  return { give: () => give() };
}
