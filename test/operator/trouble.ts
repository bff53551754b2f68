import { onTestFinished } from 'vitest';
import type { Call, Fault, Injection } from '../../sandbox/apiserver/faults.ts';
import { isObject, type JsonObject } from '../../sandbox/apiserver/json.ts';
import { mergePatch } from '../../sandbox/apiserver/patch.ts';
import { secret } from '../../sandbox/fixtures.ts';
import type { WireRequest, WireResponse } from '../../sandbox/wire.ts';
import { createWorld, type Run, START_MS, type World } from '../../sandbox/world.ts';
import { CredentialStatus } from '../../src/api/credential.ts';
import { type Condition, ObjectMeta } from '../../src/api/meta.ts';
import { type SeenSecret, seen } from './scene.ts';

/** A provider whose every answer the test decides, credentials at it, and a cluster that can fail: for what goes wrong. */

/** One request, as the provider saw it. */
export interface Asked {
  /** Seconds since the world began. */
  readonly at: number;
  readonly step: 'login' | 'refresh';
  readonly host: string;
  readonly username: string;
  readonly password: string;
  readonly refreshToken: string;
  /** The replica that sent it: `operator-2`. */
  readonly sender: string;
}
type Answer = (asked: Asked) => WireResponse | Promise<WireResponse>;

export const NO_ANSWER: WireResponse = { status: 0, fault: 'hang' };
export const UNREACHED: WireResponse = { status: 0, fault: 'refuse' };
export const LOST: WireResponse = { status: 0, fault: 'reset' };

export function answer(
  status: number,
  body: unknown = {},
  headers: Record<string, string> = {},
): WireResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}
export const refused = (): WireResponse => answer(401, { error: 'wrong' });
export const throttled = (seconds?: number): WireResponse =>
  answer(429, {}, seconds === undefined ? {} : { 'retry-after': String(seconds) });

/** Flow `password` logs in; flow `session` has a refresh token besides. Another environment is another origin. */
export function definition(spec: JsonObject = {}, login: JsonObject = {}): JsonObject {
  const response = { token: 'body.token', expiresIn: 'body.expires_in' };
  const credentials = { username: '$(input.username)', password: '$(input.password)' };
  const usage = { header: 'Authorization', value: 'Bearer $(token)' };
  const loginOf = (more: JsonObject): JsonObject => {
    const whole = mergePatch(
      { request: { path: '/login', json: credentials }, response: { ...response, ...more } },
      login,
    );
    return isObject(whole) ? whole : {};
  };
  return {
    apiVersion: 'tokensync.dev/v1alpha1',
    kind: 'ClusterTokenProvider',
    metadata: { name: 'acme' },
    spec: {
      defaultEnvironment: 'production',
      environments: [
        { name: 'production', baseUrl: 'https://login.acme.example' },
        { name: 'staging', baseUrl: 'https://staging.acme.example' },
      ],
      defaultFlow: 'password',
      flows: [
        { name: 'password', inputs: ['username', 'password'], login: loginOf({}), usage },
        {
          name: 'session',
          inputs: ['username', 'password'],
          login: loginOf({ refreshToken: 'body.refresh' }),
          refresh: {
            request: { path: '/refresh', json: { refresh: '$(session.refreshToken)' } },
            response: { ...response, refreshToken: 'body.refresh' },
          },
          usage,
        },
      ],
      ...spec,
    },
  };
}

export interface TroubleOptions {
  readonly provider?: JsonObject;
  /** Merged into each flow's login. */
  readonly login?: JsonObject;
  readonly flags?: readonly string[];
  /** Seconds that a token lives; `null`: the answer tells no expiry. */
  readonly expiresIn?: number | null;
  /** Whether answers of the flow `session` bring a new refresh token each time. */
  readonly rotate?: boolean;
  /** Whether the API server knows `shardSelector`. */
  readonly sharding?: boolean;
}

export class Trouble {
  readonly world: World;
  readonly asked: Asked[] = [];
  /** What is asked is answered by this; default: `right` is the password, and any refresh token is good. */
  answer: Answer = asked => this.judge(asked);
  /** Seconds that a token lives. */
  expiresIn: number | null;
  rotate: boolean;
  /** Tokens given, in order. */
  readonly tokens: string[] = [];
  readonly #flags: readonly string[];
  #run: Run | undefined;

  constructor(options: TroubleOptions = {}) {
    const handler = (request: WireRequest): WireResponse | Promise<WireResponse> => this.#asked(request);
    this.world = createWorld({
      seed: process.env.SEED ?? 1,
      sharding: options.sharding ?? false,
      extraOrigins: { 'https://login.acme.example': handler, 'https://staging.acme.example': handler },
    });
    this.expiresIn = options.expiresIn === undefined ? 3600 : options.expiresIn;
    this.rotate = options.rotate ?? false;
    this.#flags = options.flags ?? [];
    this.world.api.put(definition(options.provider, options.login));
    this.world.api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
  }

  /** Seconds since the world began. */
  get now(): number {
    return (this.world.clock.wall() - START_MS) / 1000;
  }

  get run(): Run {
    if (this.#run === undefined) throw new Error('no operator was started');
    return this.#run;
  }

  async start(flags: readonly string[] = this.#flags): Promise<void> {
    const run = this.world.start(flags);
    this.#run = run;
    onTestFinished(() => run.crash());
    await this.world.clock.settle();
  }

  async restart(downSeconds = 1): Promise<void> {
    this.run.crash();
    await this.pass(downSeconds);
    await this.start();
  }

  /** Lets seconds pass. */
  pass(seconds: number): Promise<void> {
    return this.world.clock.advance(seconds * 1000);
  }

  /** Lets time pass until it holds. */
  async until(condition: () => boolean, seconds = 60): Promise<void> {
    if (!(await this.world.clock.runUntilTrue(condition, seconds * 1000)))
      throw new Error(`did not come to be within ${seconds} s: ${condition.toString()}`);
  }

  // ---- the provider

  judge(asked: Asked): WireResponse {
    if (asked.step === 'login' && asked.password !== 'right') return refused();
    return this.grant(asked);
  }

  /** @param more replaces fields of the answer; undefined leaves one out. */
  grant(asked: Asked, more: Record<string, unknown> = {}): WireResponse {
    const number = this.tokens.length + 1;
    this.tokens.push(`token-${number}`);
    const brings = asked.step === 'login' || this.rotate;
    return answer(200, {
      token: `token-${number}`,
      ...(this.expiresIn === null ? {} : { expires_in: this.expiresIn }),
      ...(brings ? { refresh: `refresh-${number}` } : {}),
      ...more,
    });
  }

  /** Seconds at which logins (or the other step) came, of one user or of all. */
  times(username?: string, step: Asked['step'] = 'login'): number[] {
    return this.asked
      .filter(asked => asked.step === step && (username === undefined || asked.username === username))
      .map(({ at }) => Math.round(at));
  }

  get logins(): number {
    return this.times().length;
  }

  get refreshes(): number {
    return this.times(undefined, 'refresh').length;
  }

  #asked({ url, body, sender = '' }: WireRequest): WireResponse | Promise<WireResponse> {
    const fields: unknown = JSON.parse(body.toString());
    const text = (name: string): string =>
      isObject(fields) && typeof fields[name] === 'string' ? fields[name] : '';
    const asked: Asked = {
      at: this.now,
      step: url.pathname === '/refresh' ? 'refresh' : 'login',
      host: url.hostname,
      username: text('username'),
      password: text('password'),
      refreshToken: text('refresh'),
      sender,
    };
    this.asked.push(asked);
    const given = this.answer(asked);
    const dated = (response: WireResponse): WireResponse => ({
      ...response,
      headers: { date: new Date(this.world.clock.wall()).toUTCString(), ...response.headers },
    });
    return given instanceof Promise ? given.then(dated) : dated(given);
  }

  // ---- what users apply

  /** A credential and its source Secret, `<name>-login`. The user is called as the credential, unless said otherwise. */
  apply(
    name: string,
    login: { password?: string; username?: string } = {},
    spec: JsonObject = {},
    metadata: JsonObject = {},
  ): void {
    this.login(name, login);
    this.world.api.put({
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ProviderCredential',
      metadata: { name, namespace: 'team', ...metadata },
      spec: {
        providerRef: { name: 'acme' },
        source: { secretRef: { name: `${name}-login` } },
        target: { name: `${name}-token` },
        ...spec,
      },
    });
  }

  /** Writes the source Secret. */
  login(
    name: string,
    { password = 'right', username = name }: { password?: string; username?: string },
  ): void {
    this.world.api.put(secret('team', `${name}-login`, { username, password }));
  }

  /** A merge patch of a stored object. */
  patch(resource: string, name: string, patch: JsonObject): void {
    const namespace = resource === 'clustertokenproviders' ? undefined : 'team';
    const found = this.world.api.get(resource, name, namespace);
    if (found === undefined) throw new Error(`no ${resource} ${name}`);
    const { status: _status, ...rest } = found;
    const patched = mergePatch(rest, patch);
    if (!isObject(patched)) throw new Error('no object is left');
    this.world.api.put(patched);
  }

  annotate(name: string, value: string): void {
    this.patch('providercredentials', name, {
      metadata: { annotations: { 'tokensync.dev/refresh-requested-at': value } },
    });
  }

  /** Another definition of the same provider. */
  redefine(spec: JsonObject = {}, login: JsonObject = {}): void {
    this.world.api.put(definition(spec, login));
  }

  remove(name: string): void {
    this.world.api.delete('providercredentials', name, 'team');
  }

  // ---- what users see

  status(name: string): CredentialStatus {
    return CredentialStatus.parse(this.world.api.get('providercredentials', name, 'team')?.status);
  }

  condition(name: string, type: string): Condition | undefined {
    return this.status(name).conditions?.find(condition => condition.type === type);
  }

  /** `True TokenLive`, or `absent`. */
  says(name: string, type: 'Ready' | 'Refreshed' | 'Stalled'): string {
    const condition = this.condition(name, type);
    return condition === undefined ? 'absent' : `${condition.status} ${condition.reason}`;
  }

  tries(name: string): number {
    return this.status(name).login?.tries ?? 0;
  }

  secret(name: string): SeenSecret | undefined {
    return seen(this.world.api.get('secrets', name, 'team'));
  }

  /** The token in the credential's Secret; empty when there is none. */
  token(name: string): string {
    return this.secret(`${name}-token`)?.data.token ?? '';
  }

  meta(resource: string, name: string): ObjectMeta {
    return ObjectMeta.parse(this.world.api.get(resource, name, 'team')?.metadata);
  }

  /** A number that /metrics shows; undefined when the series is absent. */
  async metric(series: string): Promise<number | undefined> {
    const line = (await this.run.scrape()).split('\n').find(text => text.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  // ---- the cluster's trouble

  inject(match: (call: Call) => boolean, fault: Fault, times = Number.POSITIVE_INFINITY): Injection {
    return this.world.api.inject(match, fault, times);
  }

  /** A power cut at the first call that fits: before it is carried out, or just after. */
  crashAt(when: 'before' | 'after', match: (call: Call) => boolean): Injection {
    const { run } = this;
    return this.inject(
      call => {
        if (!match(call)) return false;
        queueMicrotask(() => run.crash());
        return true;
      },
      when === 'before' ? 'hang' : { afterCommit: 'hang' },
      1,
    );
  }
}

// ---- calls to the API server

type Named = Pick<Call, 'resource' | 'subresource' | 'verb' | 'dryRun' | 'name'>;

export const writesStatus = ({ resource, subresource, verb }: Named): boolean =>
  resource === 'providercredentials' && subresource === 'status' && verb === 'patch';
export const writesSecret =
  (name: string) =>
  ({ resource, verb, dryRun, ...call }: Named): boolean =>
    resource === 'secrets' && verb === 'patch' && !dryRun && call.name === name;
export const rehearses = ({ resource, verb, dryRun }: Named): boolean =>
  resource === 'secrets' && verb === 'patch' && dryRun;

/** An operator at work on credentials that are applied already. */
export async function trouble(
  options: TroubleOptions = {},
  before?: (made: Trouble) => void,
): Promise<Trouble> {
  const made = new Trouble(options);
  before?.(made);
  await made.start();
  return made;
}
