import type { Clock, Random } from '../../src/loop/clock.ts';
import { REFRESH_REQUESTED_AT, SESSION_SUFFIX } from '../../src/api/names.ts';
import type { ApiServer } from '../apiserver/server.ts';
import { isObject, type JsonObject, type KubeObject } from '../apiserver/json.ts';
import { secret } from '../fixtures.ts';
import { SECRET_MARK } from './canary.ts';
import { between, DAY, HOUR, MINUTE, nowAndThen, pick } from './chance.ts';
import type { Subject } from './subject.ts';
import type { Weather } from './weather.ts';

const GAP_MS = 1.5 * HOUR;
/** How long a person leaves a credential without a token before they ask for a login. */
const DILIGENCE_MS = 30 * MINUTE;

const DEEDS = [
  'label credential',
  'label target',
  'add key to target',
  'edit target',
  'delete target',
  'delete key of target',
  'password at the provider first',
  'password in the Secret first',
  'guess the password',
  'suspend for a while',
  'request a login',
  'delete and make again',
  'edit documentation',
  'label namespace',
  'move target',
  'delete session',
  'source away for a while',
] as const;
type Deed = (typeof DEEDS)[number];

/** People at work on their credentials: what they do, and that the simulation knows what follows from it. */
export class Users {
  readonly counts = new Map<string, number>();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #api: ApiServer;
  readonly #weather: Weather;
  readonly #subjects: readonly Subject[];
  readonly #stops: (() => void)[];
  /** Subjects that someone is at work on. */
  readonly #busy = new Set<Subject>();
  readonly #finishing = new Set<() => void>();
  #passwords = 0;
  #acting = false;

  constructor(options: {
    clock: Clock;
    random: Random;
    api: ApiServer;
    weather: Weather;
    subjects: readonly Subject[];
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#api = options.api;
    this.#weather = options.weather;
    this.#subjects = options.subjects;
    this.#stops = [
      nowAndThen(options.clock, options.random, GAP_MS, () => {
        this.#act();
        return undefined;
      }),
    ];
  }

  /** Whether what is being written is a person's. */
  get acting(): boolean {
    return this.#acting;
  }

  /** Applies what a team would, and mends what is wrong from the start, later. */
  begin(): void {
    for (const subject of this.#subjects) {
      const { fixture, flaw } = subject.member;
      this.#put(fixture.credential);
      if (flaw === undefined) {
        this.#put(fixture.source);
        continue;
      }
      this.#busy.add(subject);
      subject.calm.begin();
      if (flaw !== 'source-comes-late') this.#putSource(subject, { password: `wrong ${SECRET_MARK}` });
      if (flaw === 'wrong-password') continue;
      this.#clock.after(flaw === 'source-comes-late' ? HOUR : 1.3 * DAY, () => {
        subject.newInputs('corrected', this.#clock.wall());
        this.#putSource(subject, {});
        this.#settled(subject);
      });
    }
  }

  /** Everyone finishes what they are about, and goes home. */
  end(): void {
    for (const stop of this.#stops) stop();
    for (const finish of [...this.#finishing]) finish();
  }

  /** People look after what has had no token for a while, though its inputs are right. */
  lookAfter(): void {
    const now = this.#clock.wall();
    for (const subject of this.#subjects) {
      const dead = subject.deadSince(now);
      if (dead === undefined || subject.calm.since > now - MINUTE) continue;
      if (now - Math.max(dead, subject.requestedAt) < DILIGENCE_MS) continue;
      if (subject.stalled || subject.refusalsSinceGrant >= 3) this.#requestLogin(subject);
    }
  }

  #act(): void {
    const deed = pick(this.#random, DEEDS);
    const subject = pick(this.#random, this.#subjects);
    if (this.#busy.has(subject) || !this.#do(deed, subject)) return;
    this.counts.set(deed, (this.counts.get(deed) ?? 0) + 1);
  }

  /** @returns whether it could be done. */
  #do(deed: Deed, subject: Subject): boolean {
    const { namespace, name } = subject.member.fixture;
    const mark = String(this.#random.next());
    switch (deed) {
      case 'label credential':
        return this.#edit('providercredentials', name, namespace, o => withLabel(o, mark));
      case 'label target':
        return this.#edit('secrets', subject.target, namespace, o => withLabel(o, mark));
      case 'add key to target':
        return this.#editTarget(subject, data => ({ ...data, extra: encode(mark) }));
      case 'edit target':
        return this.#editTarget(subject, data => ({ ...data, token: encode(mark) }));
      case 'delete key of target':
        return this.#editTarget(subject, data => {
          const { token: _, ...others } = data;
          return others;
        });
      case 'delete target':
        return this.#delete('secrets', subject.target, namespace);
      case 'delete session':
        if (!this.#delete('secrets', name + SESSION_SUFFIX, namespace)) return false;
        subject.caused('session deleted', this.#clock.wall());
        return true;
      case 'edit documentation':
        return this.#edit('clustertokenproviders', subject.provider.name, undefined, o => ({
          ...o,
          spec: { ...(isObject(o.spec) ? o.spec : {}), documentation: mark },
        }));
      case 'label namespace':
        return this.#edit('namespaces', namespace, undefined, o => withLabel(o, mark));
      case 'request a login':
        this.#requestLogin(subject);
        return true;
      case 'move target': {
        subject.moved(`${name}-token-${mark.slice(2, 8)}`, this.#clock.wall());
        return this.#editSpec(subject, spec => ({ ...spec, target: { name: subject.target } }));
      }
      case 'suspend for a while':
        this.#editSpec(subject, spec => ({ ...spec, suspend: true }));
        return this.#meanwhile(subject, between(this.#random, MINUTE, DAY), () => {
          this.#editSpec(subject, spec => ({ ...spec, suspend: false }));
        });
      case 'delete and make again':
        this.#delete('providercredentials', name, namespace);
        return this.#meanwhile(subject, between(this.#random, 10_000, HOUR), () => {
          this.#put(subject.member.fixture.credential);
          subject.madeAgain(this.#clock.wall());
        });
      case 'source away for a while': {
        const source = this.#api.get('secrets', `${name}-login`, namespace);
        if (source === undefined) return false;
        this.#delete('secrets', `${name}-login`, namespace);
        return this.#meanwhile(subject, between(this.#random, MINUTE, 3 * HOUR), () => {
          this.#putSource(subject, {});
        });
      }
      case 'guess the password':
        return this.#guess(subject);
      case 'password at the provider first':
      case 'password in the Secret first':
        return this.#changePassword(subject, deed === 'password at the provider first');
    }
  }

  /** The other half of the change follows up to three hours later. */
  #changePassword(subject: Subject, providerFirst: boolean): boolean {
    // whose token is in the Secret is told by the token: a wrong one tells nobody
    if (subject.flow === 'pgf/login-token' || this.#weather.rejecting.has(subject.provider)) return false;
    const password = `password-${SECRET_MARK}-${++this.#passwords}/+ %ü`;
    const atProvider = (): void => {
      subject.provider.accounts.get(subject.account).password = password;
    };
    const inSecret = (): void => {
      subject.newInputs('password changed', this.#clock.wall());
      this.#putSource(subject, { password });
    };
    if (providerFirst) atProvider();
    else inSecret();
    return this.#meanwhile(subject, between(this.#random, 5000, 3 * HOUR), () => {
      if (providerFirst) inSecret();
      else atProvider();
    });
  }

  /** A new wrong password every few minutes, each of them tried at once, and the right one in the end. */
  #guess(subject: Subject): boolean {
    if (subject.flow === 'pgf/login-token') return false;
    let finished = false;
    const again = (): void => {
      if (finished) return;
      subject.newInputs('a guess', this.#clock.wall());
      this.#putSource(subject, { password: `wrong ${SECRET_MARK} ${++this.#passwords}` });
      this.#clock.after(between(this.#random, 10_000, 20 * MINUTE), again);
    };
    again();
    return this.#meanwhile(subject, between(this.#random, 10 * MINUTE, 2 * HOUR), () => {
      finished = true;
      subject.newInputs('the right password again', this.#clock.wall());
      this.#putSource(subject, {});
    });
  }

  /** Until `finish` the credential is not what it should be. */
  #meanwhile(subject: Subject, ms: number, finish: () => void): true {
    this.#busy.add(subject);
    subject.calm.begin();
    const once = (): void => {
      if (!this.#finishing.has(once)) return;
      if (this.#weather.rejecting.has(subject.provider)) {
        this.#clock.after(10 * MINUTE, once);
        return;
      }
      this.#finishing.delete(once);
      finish();
      this.#settled(subject);
    };
    this.#finishing.add(once);
    this.#clock.after(ms, once);
    return true;
  }

  #settled(subject: Subject): void {
    subject.caused('a person was at work', this.#clock.wall());
    subject.calm.end();
    this.#busy.delete(subject);
  }

  #requestLogin(subject: Subject): void {
    const now = this.#clock.wall();
    const { namespace, name } = subject.member.fixture;
    const requested = this.#edit('providercredentials', name, namespace, object => ({
      ...object,
      metadata: {
        ...object.metadata,
        annotations: { ...object.metadata.annotations, [REFRESH_REQUESTED_AT]: new Date(now).toISOString() },
      },
    }));
    if (!requested) return;
    subject.requested(now);
  }

  #putSource(subject: Subject, changed: Readonly<Record<string, string>>): void {
    const { namespace, name, secrets } = subject.member.fixture;
    const password = subject.provider.accounts.get(subject.account).password;
    const right = 'password' in secrets ? { ...secrets, password } : secrets;
    this.#put(secret(namespace, `${name}-login`, { ...right, ...changed }));
  }

  #editTarget(subject: Subject, change: (data: JsonObject) => JsonObject): boolean {
    return this.#edit('secrets', subject.target, subject.member.fixture.namespace, object => ({
      ...object,
      data: change(isObject(object.data) ? object.data : {}),
    }));
  }

  #editSpec(subject: Subject, change: (spec: JsonObject) => JsonObject): boolean {
    const { namespace, name } = subject.member.fixture;
    return this.#edit('providercredentials', name, namespace, object => ({
      ...object,
      spec: change(isObject(object.spec) ? object.spec : {}),
    }));
  }

  #edit(
    resource: string,
    name: string,
    namespace: string | undefined,
    change: (object: KubeObject) => JsonObject,
  ): boolean {
    const object = this.#api.get(resource, name, namespace);
    if (object === undefined) return false;
    const { status: _, ...edited } = change(object);
    this.#put(edited);
    return true;
  }

  #delete(resource: string, name: string, namespace: string): boolean {
    if (this.#api.get(resource, name, namespace) === undefined) return false;
    this.#write(() => this.#api.delete(resource, name, namespace));
    return true;
  }

  #put(object: JsonObject): void {
    this.#write(() => this.#api.put(object));
  }

  #write(write: () => unknown): void {
    this.#acting = true;
    try {
      write();
    } finally {
      this.#acting = false;
    }
  }
}

function withLabel(object: KubeObject, value: string): JsonObject {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, seen: value } } };
}

const encode = (text: string): string => Buffer.from(text).toString('base64');
