import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { isObject, type JsonObject, type KubeObject } from '../../sandbox/apiserver/json.ts';
import { mergePatch } from '../../sandbox/apiserver/patch.ts';
import { type Fixture, type FlowName, fixture, secret } from '../../sandbox/fixtures.ts';
import type { LogEntry } from '../../sandbox/providers/log.ts';
import { createWorld, type Run, type World } from '../../sandbox/world.ts';
import { CredentialStatus } from '../../src/api/credential.ts';
import type { Condition } from '../../src/api/meta.ts';

/** One team's credential in a world with an operator: what a test says, in the words of who uses it. */

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface SceneOptions {
  readonly flow?: FlowName;
  /** Merged into the credential's spec; null removes. */
  readonly spec?: JsonObject;
  readonly world?: Parameters<typeof createWorld>[0];
  readonly flags?: readonly string[];
  /** Called before anything is applied and the operator starts. */
  readonly before?: (world: World) => void;
  /** The source Secret has a wrong password at first. */
  readonly wrongPassword?: boolean;
  /** Whether the operator is started; default: yes. */
  readonly start?: boolean;
  /** Whether the first token is waited for; default: yes. */
  readonly ready?: boolean;
}

/** A world with one credential, whose operator has started. */
export async function scene(options: SceneOptions = {}): Promise<Scene> {
  const world = createWorld({ seed: process.env.SEED ?? 1, ...options.world });
  options.before?.(world);
  const made = new Scene(world, fixture(options.flow ?? 'pgf/login', 1, world.providers), options.flags);
  made.put(made.fixture.source);
  if (options.wrongPassword === true) made.login({ password: 'wrong' });
  made.put(withSpec(made.fixture.credential, options.spec));
  onTestFinished(() => made.crash());
  if (options.start === false) return made;
  await made.start();
  if (options.ready === false) return made;
  if (!(await made.until(() => made.waits()))) throw new Error(`not ready: ${JSON.stringify(made.status)}`);
  // Past the spacing of two grants.
  await made.advance(10 * SECOND);
  return made;
}

export class Scene {
  readonly world: World;
  readonly fixture: Fixture;
  readonly #flags: readonly string[];
  #run: Run | undefined;

  constructor(world: World, made: Fixture, flags: readonly string[] = []) {
    this.world = world;
    this.fixture = made;
    this.#flags = flags;
  }

  get run(): Run {
    if (this.#run === undefined) throw new Error('no operator was started');
    return this.#run;
  }

  get name(): string {
    return this.fixture.name;
  }

  get targetName(): string {
    return `${this.fixture.name}-token`;
  }

  /** The API server's time. */
  get now(): number {
    return this.world.clock.wall();
  }

  async start(flags: readonly string[] = this.#flags): Promise<void> {
    const run = this.world.start(flags);
    this.#run = run;
    await this.world.clock.settle();
    await run.started;
    await this.world.clock.settle();
  }

  crash(): void {
    this.#run?.crash();
    this.#run = undefined;
  }

  /** A power cut, and a new process. */
  async restart(downMs = SECOND): Promise<void> {
    this.crash();
    await this.advance(downMs);
    await this.start();
  }

  advance(ms: number): Promise<void> {
    return this.world.clock.advance(ms);
  }

  /** Moves on to a time of the API server's clock. */
  async at(time: number): Promise<void> {
    if (time > this.now) await this.advance(time - this.now);
  }

  /** @returns whether it came to hold in time. */
  until(condition: () => boolean, limitMs = 30 * SECOND): Promise<boolean> {
    return this.world.clock.runUntilTrue(condition, limitMs);
  }

  // ---- what users apply

  put(object: JsonObject): KubeObject {
    return this.world.api.put(object);
  }

  get credential(): KubeObject {
    const found = this.world.api.get('providercredentials', this.name, this.fixture.namespace);
    if (found === undefined) throw new Error('the credential is gone');
    return found;
  }

  /** `kubectl patch`: a merge patch of spec, and of metadata where given. */
  edit(spec: JsonObject, metadata: JsonObject = {}): void {
    const { status: _ours, ...rest } = this.credential;
    this.put(merged(rest, { spec, metadata }));
  }

  annotate(value: string | null): void {
    this.edit({}, { annotations: { 'tokensync.dev/refresh-requested-at': value } });
  }

  editProvider(name: string, patch: JsonObject): void {
    editProvider(this.world, name, patch);
  }

  /** Other values in the source Secret. */
  login(values: Readonly<Record<string, string>>): void {
    this.put(secret(this.fixture.namespace, `${this.name}-login`, { ...this.fixture.secrets, ...values }));
  }

  /** As an author, an admin or another program would change the Secret. */
  editSecret(patch: JsonObject, name = this.targetName): void {
    const found = this.world.api.get('secrets', name, this.fixture.namespace);
    if (found === undefined) throw new Error(`no Secret ${name}`);
    this.put(merged(found, patch));
  }

  deleteSecret(name = this.targetName): void {
    this.world.api.delete('secrets', name, this.fixture.namespace);
  }

  deleteCredential(): void {
    this.world.api.delete('providercredentials', this.name, this.fixture.namespace);
  }

  // ---- what users see

  get status(): CredentialStatus {
    return CredentialStatus.parse(this.credential.status);
  }

  condition(type: string): Condition | undefined {
    return this.status.conditions?.find(condition => condition.type === type);
  }

  /** `True TokenLive`, or what else Ready says. */
  get ready(): string {
    return said(this.condition('Ready'));
  }

  get refreshed(): string {
    return said(this.condition('Refreshed'));
  }

  get stalled(): string {
    return said(this.condition('Stalled'));
  }

  /** What `kubectl wait --for=condition=Ready` waits for. */
  waits(): boolean {
    const ready = this.condition('Ready');
    return ready?.status === 'True' && ready.observedGeneration === this.credential.metadata.generation;
  }

  secret(name = this.targetName): SeenSecret | undefined {
    return seen(this.world.api.get('secrets', name, this.fixture.namespace));
  }

  /** The token in the Secret; empty when there is none. */
  get token(): string {
    return this.secret()?.data.token ?? '';
  }

  /** When status says that the token is renewed, ms since 1970. */
  get renewAt(): number {
    return Date.parse(this.status.token?.renewAt ?? '');
  }

  get expiresAt(): number {
    return Date.parse(this.status.token?.expiresAt ?? '');
  }

  // ---- what was sent

  /** All that providers were asked. */
  get asked(): readonly LogEntry[] {
    return this.world.providers.log.entries;
  }

  get logins(): number {
    return this.asked.filter(({ step }) => step === 'login').length;
  }

  /** Writes to the API server since the last {@link calm}, but for events: `patch secrets`, with how often. */
  get writes(): Record<string, number> {
    return this.#calls(({ verb, dryRun, resource }) => !READS.has(verb) && !dryRun && resource !== 'events');
  }

  /** All requests to the API server but watches. */
  get calls(): Record<string, number> {
    return this.#calls(({ verb }) => verb !== 'watch');
  }

  /** Forgets the requests to the API server so far. */
  calm(): void {
    this.world.api.requests.clear();
  }

  #calls(match: Parameters<World['api']['requests']['all']>[0]): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { verb, resource, subresource, status } of this.world.api.requests.all(match)) {
      const what = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}${status < 300 ? '' : ` ${status}`}`;
      counts[what] = (counts[what] ?? 0) + 1;
    }
    return counts;
  }
}

const READS = new Set(['get', 'list', 'watch', 'read']);

function said(condition: Condition | undefined): string {
  return condition === undefined ? 'absent' : `${condition.status} ${condition.reason}`;
}

/** A Secret as a person would look at it. */
export interface SeenSecret {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owners: readonly string[];
  readonly managers: readonly string[];
}

const Raw = z.object({ type: z.string(), data: z.record(z.string(), z.string()).default({}) });

export function seen(object: KubeObject | undefined): SeenSecret | undefined {
  if (object === undefined) return undefined;
  const { type, data } = Raw.parse(object);
  const {
    uid,
    resourceVersion,
    labels = {},
    annotations = {},
    ownerReferences = [],
    managedFields = [],
  } = object.metadata;
  return {
    uid,
    resourceVersion,
    type,
    labels,
    annotations,
    data: Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    ),
    owners: ownerReferences.map(
      ({ kind, name, controller }) => `${kind}/${name}${controller ? ' controller' : ''}`,
    ),
    managers: managedFields.map(({ manager }) => manager),
  };
}

/** An admin's merge patch of a definition. */
export function editProvider(world: World, name: string, patch: JsonObject): void {
  const found = world.api.get('clustertokenproviders', name);
  if (found === undefined) throw new Error(`no provider ${name}`);
  const { status: _ours, ...rest } = found;
  world.api.put(merged(rest, patch));
}

/** Adds a credential of a flow to a world: its account, source and object. */
export function addCredential(
  world: World,
  flow: FlowName,
  index: number,
  options: { readonly namespace?: string; readonly spec?: JsonObject } = {},
): Fixture {
  const made = fixture(
    flow,
    index,
    world.providers,
    options.namespace === undefined ? {} : { namespace: options.namespace },
  );
  world.api.put(made.source);
  world.api.put(withSpec(made.credential, options.spec));
  return made;
}

export function withSpec(credential: JsonObject, spec: JsonObject = {}): JsonObject {
  return merged(credential, { spec });
}

function merged(object: JsonObject, patch: JsonObject): JsonObject {
  const result = mergePatch(object, patch);
  if (!isObject(result)) throw new Error('no object is left');
  return result;
}

export function statusOf(world: World, { name, namespace }: Fixture): CredentialStatus | undefined {
  const parsed = CredentialStatus.safeParse(world.api.get('providercredentials', name, namespace)?.status);
  return parsed.success ? parsed.data : undefined;
}

export function isReady(world: World, made: Fixture): boolean {
  return (
    statusOf(world, made)?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
    false
  );
}
