/** A pod's question whether the token that it holds is alive, and the answer. */
export interface Sighting {
  /** Milliseconds, on one clock. */
  readonly at: number;
  readonly token: string;
  readonly live: boolean;
  /** When the token ends, on the same clock. */
  readonly expiresAt: number;
  /** By the pod, since its start. */
  readonly reads: number;
  readonly failedReads: number;
}

export interface Story {
  readonly asked: number;
  readonly tokens: number;
  /** Questions whose answer was: dead. */
  readonly dead: number;
  /** Milliseconds in all for which the pod held a dead token: from the first such answer to the next other one. */
  readonly deadMs: number;
  /** The least life that a token had left when it was asked about, milliseconds; negative when it was dead. */
  readonly leastLeftMs: number;
  /** The longest time without a question, milliseconds. */
  readonly silenceMs: number;
  readonly reads: number;
  readonly failedReads: number;
}

/** What a pod saw between two instants. A dead token at the end is dead until `to`. */
export function tell(sightings: readonly Sighting[], from: number, to: number): Story {
  const within = sightings.filter(({ at }) => at >= from && at <= to);
  const ends = [...within.slice(1).map(({ at }) => at), to];
  const [first, last] = [within.at(0), within.at(-1)];
  return {
    asked: within.length,
    tokens: new Set(within.map(({ token }) => token)).size,
    dead: within.filter(({ live }) => !live).length,
    deadMs: within.reduce((sum, { at, live }, index) => sum + (live ? 0 : (ends[index] ?? to) - at), 0),
    leastLeftMs: within.reduce(
      (least, { at, expiresAt }) => Math.min(least, expiresAt - at),
      Number.POSITIVE_INFINITY,
    ),
    silenceMs: [...within.map(({ at }) => at), to].reduce(
      ({ longest, before }, at) => ({ longest: Math.max(longest, at - before), before: at }),
      { longest: 0, before: from },
    ).longest,
    reads: (last?.reads ?? 0) - (first?.reads ?? 0),
    failedReads: (last?.failedReads ?? 0) - (first?.failedReads ?? 0),
  };
}
