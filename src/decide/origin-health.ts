import type { Reason } from '../api/reasons.ts';
import type { Failure } from '../errors.ts';
import { backoff } from './backoff.ts';

/**
 * What many credentials' outcomes say of one origin. In memory; times in ms, monotonic.
 *
 *   closed --(several unreachable, or several proven logins refused and none accepted)--> open
 *   open: one waiter probes, in turn; the others wait to be woken
 *   open --(a probe succeeds)--> closed, everyone woken
 */
const SEVERAL = 3;
const REJECTS_ALL_PROBE_MS = 600_000;
const MAX_PAUSE_MS = 300_000;
const DEFAULT_PAUSE_MS = 30_000;
/** Told so by this many credentials, the whole origin waits. */
const THROTTLED_KEYS = 2;

export type Admission =
  | { readonly admitted: true }
  /** `until` is absent when the key is woken by an event. */
  | { readonly admitted: false; readonly reason: Reason; readonly until?: number };

interface Circuit {
  readonly reason: 'CircuitOpen' | 'ProviderRejectsAll';
  attempt: number;
  nextProbeAt: number;
  probing?: string;
  /** In turn; a probe that failed goes to the end. */
  readonly waiting: Set<string>;
}

interface Origin {
  readonly unavailable: Set<string>;
  /** Key to the login that was refused: several credentials of one account are one changed password. */
  readonly refused: Map<string, string>;
  readonly throttled: Set<string>;
  pausedUntil: number;
  recoveredAt: number;
  /** When it last ended that all were refused. */
  forgivenAt: number;
  circuit?: Circuit | undefined;
}

export interface HealthPorts {
  readonly now: () => number;
  readonly chance: () => number;
  /** Asks to look at a key again. */
  readonly wake: (key: string) => void;
  /** Calls `probeDue(origin)` in `ms`. */
  readonly probeIn: (origin: string, ms: number) => void;
  readonly circuitChanged: (origin: string, open: boolean) => void;
}

export class OriginHealth {
  readonly #origins = new Map<string, Origin>();
  readonly #waitsAt = new Map<string, string>();
  readonly #ports: HealthPorts;

  constructor(ports: HealthPorts) {
    this.#ports = ports;
  }

  /** May this key send to this origin now? A key that is admitted must report an outcome or {@link leave}. */
  admit(origin: string, key: string): Admission {
    // Its spec may have named another origin when it got in line there.
    if ((this.#waitsAt.get(key) ?? origin) !== origin) this.leave(key);
    const state = this.#origins.get(origin);
    if (state === undefined) return { admitted: true };
    const now = this.#ports.now();
    if (state.pausedUntil > now) return { admitted: false, reason: 'Throttled', until: state.pausedUntil };
    const circuit = state.circuit;
    if (circuit === undefined || circuit.probing === key) return { admitted: true };
    if (circuit.probing === undefined && circuit.nextProbeAt <= now && this.#isNext(circuit, key)) {
      this.#probe(origin, circuit, key);
      return { admitted: true };
    }
    circuit.waiting.add(key);
    this.#waitsAt.set(key, origin);
    return { admitted: false, reason: circuit.reason };
  }

  /** Whether it is this key's turn to probe: then its own backoff does not count. */
  isProbing(origin: string, key: string): boolean {
    return this.#origins.get(origin)?.circuit?.probing === key;
  }

  /** Whether one probes and the others wait. */
  isOpen(origin: string): boolean {
    return this.#origins.get(origin)?.circuit !== undefined;
  }

  /** Whether the origin refuses proven logins of many: then a refusal is the provider's trouble. */
  rejectsAll(origin: string): boolean {
    return this.#origins.get(origin)?.circuit?.reason === 'ProviderRejectsAll';
  }

  /** Whether nothing is sent, since several were asked to wait. */
  isPaused(origin: string): boolean {
    return (this.#origins.get(origin)?.pausedUntil ?? Number.NEGATIVE_INFINITY) > this.#ports.now();
  }

  /** When it last ended that all were refused: what was refused before it was the provider's trouble. Monotonic ms, or -Infinity. */
  forgivenAt(origin: string): number {
    return this.#origins.get(origin)?.forgivenAt ?? Number.NEGATIVE_INFINITY;
  }

  /** When a circuit last closed; a failure before it is no reason to wait. Monotonic ms, or -Infinity. */
  recoveredAt(origin: string): number {
    return this.#origins.get(origin)?.recoveredAt ?? Number.NEGATIVE_INFINITY;
  }

  /** The key sends nothing after all, or is gone: it leaves the line, and its turn passes on. */
  leave(key: string): void {
    const origin = this.#waitsAt.get(key);
    if (origin === undefined) return;
    this.#waitsAt.delete(key);
    const circuit = this.#origins.get(origin)?.circuit;
    if (circuit === undefined) return;
    circuit.waiting.delete(key);
    if (circuit.probing !== key) return;
    delete circuit.probing;
    this.probeDue(origin);
  }

  /** Drops everything known of a deleted credential. */
  forget(key: string): void {
    this.leave(key);
    for (const [name, state] of this.#origins) {
      state.unavailable.delete(key);
      state.refused.delete(key);
      state.throttled.delete(key);
      this.#dropIdle(name, state);
    }
  }

  succeeded(origin: string, key: string): void {
    this.#waitsAt.delete(key);
    const state = this.#origins.get(origin);
    if (state === undefined) return;
    const affected = new Set([...state.unavailable, ...state.refused.keys()]);
    state.unavailable.clear();
    state.refused.clear();
    state.throttled.clear();
    this.#close(origin, state, affected);
    this.#dropIdle(origin, state);
  }

  /**
   * @param proven what tells the login apart, where its inputs once worked.
   * @returns true when a refusal must not be counted, being the provider's trouble.
   */
  failed(origin: string, key: string, failure: Failure, proven: string | undefined): boolean {
    const state = this.#origin(origin);
    switch (failure.class) {
      case 'Unavailable':
        state.unavailable.add(key);
        if (state.unavailable.size >= SEVERAL) this.#open(origin, state, 'CircuitOpen', failure);
        break;
      case 'Rejected':
        // An answer is an answer: the origin is reachable.
        this.#reached(origin, state);
        if (proven !== undefined) this.#refused(origin, state, key, proven, failure);
        break;
      case 'Throttled':
        this.#reached(origin, state);
        state.throttled.add(key);
        if (state.throttled.size >= THROTTLED_KEYS) {
          const pause = Math.min(MAX_PAUSE_MS, failure.retryAfterMs ?? DEFAULT_PAUSE_MS);
          state.pausedUntil = Math.max(state.pausedUntil, this.#ports.now() + pause);
        }
        break;
      case 'Unusable':
      case 'Invalid':
        if (failure.sent !== 'no') this.#reached(origin, state);
        break;
    }
    this.#probed(origin, state, key, failure);
    const forgiven =
      failure.class === 'Rejected' && proven !== undefined && state.circuit?.reason === 'ProviderRejectsAll';
    this.#dropIdle(origin, state);
    return forgiven;
  }

  /** The time of a probe has come: the next in line may try. */
  probeDue(origin: string): void {
    const circuit = this.#origins.get(origin)?.circuit;
    if (circuit === undefined || circuit.probing !== undefined) return;
    const left = circuit.nextProbeAt - this.#ports.now();
    if (left > 0) {
      this.#ports.probeIn(origin, left);
      return;
    }
    for (const key of circuit.waiting) {
      this.#probe(origin, circuit, key);
      this.#ports.wake(key);
      return;
    }
  }

  #isNext(circuit: Circuit, key: string): boolean {
    for (const first of circuit.waiting) return first === key;
    return true;
  }

  #probe(origin: string, circuit: Circuit, key: string): void {
    circuit.waiting.delete(key);
    this.#waitsAt.set(key, origin);
    circuit.probing = key;
  }

  #origin(name: string): Origin {
    let state = this.#origins.get(name);
    if (state === undefined) {
      state = {
        unavailable: new Set(),
        refused: new Map(),
        throttled: new Set(),
        pausedUntil: Number.NEGATIVE_INFINITY,
        recoveredAt: Number.NEGATIVE_INFINITY,
        forgivenAt: Number.NEGATIVE_INFINITY,
      };
      this.#origins.set(name, state);
    }
    return state;
  }

  #open(origin: string, state: Origin, reason: Circuit['reason'], failure: Failure): void {
    if (state.circuit !== undefined) return;
    const circuit: Circuit = { reason, attempt: 0, nextProbeAt: 0, waiting: new Set() };
    state.circuit = circuit;
    this.#scheduleProbe(origin, circuit, failure);
    this.#ports.circuitChanged(origin, true);
  }

  #scheduleProbe(origin: string, circuit: Circuit, failure: Failure): void {
    circuit.attempt += 1;
    const wait =
      circuit.reason === 'ProviderRejectsAll'
        ? REJECTS_ALL_PROBE_MS
        : (backoff(failure, circuit.attempt, this.#ports.chance()) ?? REJECTS_ALL_PROBE_MS);
    circuit.nextProbeAt = this.#ports.now() + wait;
    this.#ports.probeIn(origin, wait);
  }

  #probed(origin: string, state: Origin, key: string, failure: Failure): void {
    this.#waitsAt.delete(key);
    const circuit = state.circuit;
    if (circuit === undefined) return;
    if (circuit.probing === key) {
      delete circuit.probing;
      this.#scheduleProbe(origin, circuit, failure);
    }
    circuit.waiting.add(key);
    this.#waitsAt.set(key, origin);
  }

  #refused(origin: string, state: Origin, key: string, login: string, failure: Failure): void {
    state.refused.set(key, login);
    if (state.circuit !== undefined || new Set(state.refused.values()).size < SEVERAL) return;
    this.#open(origin, state, 'ProviderRejectsAll', failure);
    // Those refused before it was known get in line too.
    for (const other of state.refused.keys()) if (other !== key) this.#ports.wake(other);
  }

  /** The origin answered: what was open for silence closes. */
  #reached(origin: string, state: Origin): void {
    const affected = new Set(state.unavailable);
    state.unavailable.clear();
    if (state.circuit?.reason === 'CircuitOpen') this.#close(origin, state, affected);
  }

  #close(origin: string, state: Origin, affected: ReadonlySet<string>): void {
    const circuit = state.circuit;
    if (circuit === undefined) return;
    state.circuit = undefined;
    state.recoveredAt = this.#ports.now();
    if (circuit.reason === 'ProviderRejectsAll') state.forgivenAt = state.recoveredAt;
    this.#ports.circuitChanged(origin, false);
    for (const key of new Set([...circuit.waiting, ...affected])) {
      this.#waitsAt.delete(key);
      this.#ports.wake(key);
    }
  }

  /** What is remembered of a quiet origin is its recovery, and only while someone may still wait for it. */
  #dropIdle(name: string, state: Origin): void {
    const idle =
      state.circuit === undefined &&
      state.unavailable.size + state.refused.size + state.throttled.size === 0 &&
      state.pausedUntil <= this.#ports.now() &&
      state.recoveredAt < this.#ports.now() - 3_600_000;
    if (idle) this.#origins.delete(name);
  }
}
