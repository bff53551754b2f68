import { Packer } from '../loop/packer.ts';
import type { Memory } from './memory.ts';
import { newMemory } from './memory.ts';

/** Credentials whose whole memory is kept; of the others only what cannot be made again from what is watched. */
const WHOLE = 500;

/** What is left of a memory at rest: what tells our own writes from others', and the rest packed. */
class Resting {
  readonly uid: string;
  readonly target: Memory['target'];
  readonly sessionVersion: string | undefined;
  readonly packed: string;

  constructor(memory: Memory, packed: string) {
    this.uid = memory.uid;
    this.target = memory.target;
    this.sessionVersion = memory.session?.version;
    this.packed = packed;
  }
}

type Kept = Pick<Memory, 'source' | 'token' | 'session'>;

/** What is remembered of each credential. One that was not looked at for long rests, and wakes when it is. */
export class Memories {
  readonly #all = new Map<string, Memory | Resting>();
  /** Being looked at. */
  readonly #held = new Set<string>();
  /** Those kept whole, the one that was looked at longest ago first. */
  readonly #awake = new Set<string>();
  readonly #packer = new Packer(['grant', 'tokenType', 'name', 'keys', 'source', 'namespace']);
  readonly #whole: number;

  constructor(whole = WHOLE) {
    this.#whole = whole;
  }

  /** For a look, which ends by {@link rest}. */
  hold(key: string, uid: string): Memory | undefined {
    const known = this.#all.get(key);
    if (known === undefined || known.uid !== uid) return undefined;
    this.#held.add(key);
    if (!(known instanceof Resting)) return known;
    const memory = { ...newMemory(uid), ...this.#unpack(known) };
    this.#all.set(key, memory);
    return memory;
  }

  set(key: string, memory: Memory): void {
    this.#held.add(key);
    this.#all.set(key, memory);
  }

  /** The look is over. */
  rest(key: string): void {
    if (!this.#held.delete(key)) return;
    this.#awake.delete(key);
    this.#awake.add(key);
    if (this.#awake.size <= this.#whole) return;
    const [oldest = ''] = this.#awake;
    this.#awake.delete(oldest);
    const memory = this.#all.get(oldest);
    if (memory === undefined || memory instanceof Resting || this.#held.has(oldest) || oldest === key) return;
    if (isCalm(memory)) this.#all.set(oldest, new Resting(memory, this.#pack(memory)));
  }

  delete(key: string): void {
    this.#awake.delete(key);
    this.#all.delete(key);
  }

  has(key: string): boolean {
    return this.#all.has(key);
  }

  uidOf(key: string): string | undefined {
    return this.#all.get(key)?.uid;
  }

  /** The versions that our own writes made, or that were read. */
  versionsOf(key: string): { target: Memory['target']; session: string | undefined } | undefined {
    const known = this.#all.get(key);
    if (known === undefined) return undefined;
    const session = known instanceof Resting ? known.sessionVersion : known.session?.version;
    return { target: known.target, session };
  }

  /** Keys and UIDs of credentials that have an answer which is still to be saved. */
  *unsaved(): Generator<{ readonly key: string; readonly uid: string }> {
    for (const [key, memory] of this.#all) {
      if (!(memory instanceof Resting) && memory.unsavedSession !== undefined) yield { key, uid: memory.uid };
    }
  }

  #pack({ source, token, session }: Memory): string {
    return source === undefined && token === undefined && session === undefined
      ? ''
      : this.#packer.pack({ source, token, session });
  }

  #unpack({ packed, target }: Resting): Partial<Memory> {
    const kept = packed === '' ? {} : (this.#packer.unpack(packed) as Kept);
    return target === undefined ? kept : { ...kept, target };
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
