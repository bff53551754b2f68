import { Packer } from '../kube/packer.ts';
import { Arena } from '../loop/arena.ts';
import { WARM } from '../loop/shelf.ts';
import { type Memory, newMemory } from './memory.ts';

/** What is left of a memory at rest. */
type Kept = Pick<Memory, 'uid' | 'target' | 'source' | 'token' | 'session'>;

/** What is remembered of each credential. One that was not looked at for long rests, and wakes when it is. */
export class Memories {
  /** Those kept whole, the one that was looked at longest ago first. */
  readonly #awake = new Map<string, Memory>();
  /** Where those that rest stand packed. */
  readonly #resting = new Map<string, number>();
  /** Being looked at. */
  readonly #held = new Set<string>();
  readonly #packer = new Packer(['grant', 'tokenType', 'keys', 'source', 'namespace']);
  readonly #arena = new Arena();
  readonly #whole: number;

  /** @param whole credentials whose whole memory is kept; of the others only what cannot be made again from what is watched. */
  constructor(whole = WARM) {
    this.#whole = whole;
  }

  /** For a look, which ends by {@link rest}. */
  hold(key: string, uid: string): Memory | undefined {
    const memory = this.#awake.get(key) ?? this.#woken(key, uid);
    if (memory?.uid !== uid) return undefined;
    this.#held.add(key);
    return memory;
  }

  set(key: string, memory: Memory): void {
    this.#held.add(key);
    this.#awake.set(key, memory);
  }

  /** The look is over. */
  rest(key: string): void {
    if (!this.#held.delete(key)) return;
    const looked = this.#awake.get(key);
    if (looked !== undefined) {
      this.#awake.delete(key);
      this.#awake.set(key, looked);
    }
    if (this.#awake.size <= this.#whole) return;
    for (const [oldest, memory] of this.#awake) {
      if (oldest === key || this.#held.has(oldest) || !isCalm(memory)) this.#later(oldest, memory);
      else this.#putToRest(oldest, memory);
      return;
    }
  }

  /** All that can rest does. */
  restAll(): void {
    for (const [key, memory] of this.#awake)
      if (!this.#held.has(key) && isCalm(memory)) this.#putToRest(key, memory);
  }

  delete(key: string): void {
    this.#awake.delete(key);
    this.#forget(key);
  }

  has(key: string): boolean {
    return this.#awake.has(key) || this.#resting.has(key);
  }

  uidOf(key: string): string | undefined {
    return this.#known(key)?.uid;
  }

  /** The versions that our own writes made, or that were read. */
  versionsOf(key: string): { target: Memory['target']; session: string | undefined } | undefined {
    const known = this.#known(key);
    return known && { target: known.target, session: known.session?.version };
  }

  /** Keys and UIDs of credentials that have an answer which is still to be saved. */
  *unsaved(): Generator<{ readonly key: string; readonly uid: string }> {
    for (const [key, memory] of this.#awake) {
      if (memory.unsavedSession !== undefined) yield { key, uid: memory.uid };
    }
  }

  #known(key: string): Kept | undefined {
    return this.#awake.get(key) ?? this.#packed(key);
  }

  #packed(key: string): Kept | undefined {
    const place = this.#resting.get(key);
    // What was packed is what comes back.
    return place === undefined ? undefined : (this.#packer.unpack(this.#arena.read(place)) as Kept);
  }

  #woken(key: string, uid: string): Memory | undefined {
    const kept = this.#packed(key);
    if (kept?.uid !== uid) return undefined;
    this.#forget(key);
    const memory = { ...newMemory(uid), ...kept };
    this.#awake.set(key, memory);
    return memory;
  }

  /** One that cannot rest makes room for the next to be looked at. */
  #later(key: string, memory: Memory): void {
    this.#awake.delete(key);
    this.#awake.set(key, memory);
  }

  #putToRest(key: string, { uid, target, source, token, session }: Memory): void {
    this.#awake.delete(key);
    // The versions of what was not read stand in status.
    if (source === undefined && token === undefined && session === undefined) return;
    const kept: Kept = {
      uid,
      ...(target && { target }),
      ...(source && { source }),
      ...(token && { token }),
      ...(session && { session }),
    };
    this.#resting.set(key, this.#arena.keep(this.#packer.pack(kept)));
  }

  #forget(key: string): void {
    const place = this.#resting.get(key);
    if (place === undefined) return;
    this.#resting.delete(key);
    this.#arena.free(place);
  }
}

/** Nothing is under way, and nothing failed: what is dropped then can be made again. */
function isCalm(memory: Memory): boolean {
  return (
    memory.unsavedSession === undefined &&
    memory.unwrittenStatus === undefined &&
    memory.deadSession === undefined &&
    memory.run === undefined &&
    memory.blocked === undefined &&
    memory.loginNext !== true &&
    memory.refreshFailures === 0 &&
    memory.repairs.count === 0
  );
}
