import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createAuthority } from '../../sandbox/certificates.ts';
import { install, prepare, renewAt, startReaders, uninstall } from './install.ts';
import { measureRest, measureStart } from './measure.ts';
import { diagnosis, drainLeader, leader, rollOut } from './operator.ts';
import { processOf } from './processes.ts';
import { promise, say, seconds, verdict } from './report.ts';
import { type Sighting, type Story, tell } from './sightings.ts';
import { type Surroundings, surroundings } from './surroundings.ts';

/**
 * The image on a real cluster, and the token as a pod sees it. KUBECONFIG's cluster has one node, this machine, where the image
 * localhost/tokensync:test is loaded; the test runs as root. Prints what it measures, and ends with 1 where a promise is broken.
 *
 *     node test/cluster/run.ts [--minutes 3] [--kills 1] [--gateway 10.88.0.1]
 */

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    kills: { type: 'string', default: '1' },
    /** The node, as pods see it. */
    gateway: { type: 'string', default: '10.88.0.1' },
  },
});
const { gateway } = values;
const watchedMs = Number(values.minutes) * 60_000;

/** docs/pods.md states it: for so long a pod may hold a dead token after its operator's leader was killed. */
const BOUND_AFTER_KILL_MS = 25_000;
/** Token, and its renewal by schedule, milliseconds. */
const LIFETIME_MS = 120_000;
const EARLIEST_RENEWAL_MS = 12_000;
/** The operator is disturbed this often, and left alone when what a disturbance does could no longer be seen by the end. */
const DISTURBED_EACH_MS = 40_000;
const SEEN_AFTER_MS = 120_000;

async function until<T>(look: () => T | undefined, what: string, timeoutMs: number): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`not in ${seconds(timeoutMs)}: ${what}`);
    await sleep(100);
  }
}

function told(name: string, story: Story): string {
  return [
    `${name}: ${story.reads} reads (${story.failedReads} failed)`,
    `asked ${story.asked} times about ${story.tokens} tokens`,
    `dead ${story.dead} times (${seconds(story.deadMs)})`,
    `least life left ${seconds(story.leastLeftMs)}`,
    `longest silence ${seconds(story.silenceMs)}`,
  ].join(', ');
}

/** How long new tokens took to reach the pod, from their login on. */
function toldDelays(seen: readonly Sighting[]): string {
  const first = new Map<string, number>();
  // the first token was there before the pod was
  for (const { token, at, expiresAt } of seen)
    if (!first.has(token)) first.set(token, at - (expiresAt - LIFETIME_MS));
  const delays = [...first.values()].slice(1);
  return delays.length === 0
    ? 'no new token'
    : `${delays.length} new tokens reached the pod ${seconds(Math.min(...delays))} to ${seconds(Math.max(...delays))} after their login`;
}

/** Rolled out, drained, and again: a pod never notices. */
async function neverDead(there: Surroundings): Promise<void> {
  const from = Date.now();
  const to = from + watchedMs;
  const grants = there.providers.log.count({ outcome: 'granted' });
  const disturbances = [rollOut, drainLeader];
  let count = 0;
  for (let at = from + 10_000; at <= Math.max(to - SEEN_AFTER_MS, from + 10_000); at += DISTURBED_EACH_MS) {
    await sleep(Math.max(0, at - Date.now()));
    const disturb = disturbances[count++ % 2] ?? rollOut;
    await disturb();
    say(`${disturb.name}, on ${await leader()} now`);
  }
  await sleep(Math.max(0, to - Date.now()));
  const story = tell(there.seen.get('by-volume') ?? [], from, to);
  say(told('by volume', story));
  say(toldDelays(there.seen.get('by-volume') ?? []));
  const logins = there.providers.log.count({ outcome: 'granted' }) - grants;
  say(`${logins} logins in ${seconds(to - from)}, ${count} disturbances`);
  promise(story.dead === 0, 'a mounted token is never dead, whether the operator is rolled out or drained');
  promise(
    story.failedReads === 0 && story.reads > (15 * watchedMs) / 1000,
    'the mounted file is always there',
  );
  promise(story.silenceMs < 5000 && story.tokens > 1, 'the pod asked all the time, and saw new tokens');
  promise(logins <= watchedMs / EARLIEST_RENEWAL_MS, 'no hand-over costs a login where a live token stands');
}

/** The worst instant to die is just before a renewal. */
async function kill(there: Surroundings): Promise<void> {
  const due = await renewAt();
  const killed = await leader();
  const pid = await processOf(killed);
  await sleep(Math.max(0, due - 300 - Date.now()));
  const at = Date.now();
  process.kill(pid, 'SIGKILL');
  say(`killed ${killed}, ${seconds(due - at)} before a renewal`);
  const { sendfact, log } = there.providers;
  const next = await until(
    () => log.entries.find(entry => entry.at > at && entry.outcome === 'granted'),
    'a login after the kill',
    90_000,
  );
  say(`next login ${seconds(next.at - at)} after the kill, by ${await leader()}`);
  const isNew = ({ token }: Sighting): boolean =>
    (sendfact.tokens.expiresAt(token) ?? 0) >= next.at + LIFETIME_MS - 1000;
  await until(() => there.seen.get('by-volume')?.find(isNew), 'a new token in the pod', 240_000);
  const story = tell(there.seen.get('by-volume') ?? [], at, Date.now());
  say(`after the kill, ${told('by volume', story)}`);
  promise(
    story.deadMs <= BOUND_AFTER_KILL_MS,
    `a kill leaves the pod with a dead token for ${seconds(story.deadMs)}, at most ${seconds(BOUND_AFTER_KILL_MS)}`,
  );
}

/** A process's environment doesn't change: the pod keeps the token that it was started with. */
async function environment(there: Surroundings): Promise<void> {
  const isDead = ({ live }: Sighting): boolean => !live;
  await until(() => there.seen.get('by-environment')?.find(isDead), 'its end', 2 * LIFETIME_MS);
  const seen = there.seen.get('by-environment') ?? [];
  const dead = seen.findIndex(isDead);
  const lived = (seen[dead]?.at ?? Number.NaN) - (seen[0]?.at ?? 0);
  say(told('by environment', tell(seen, seen[0]?.at ?? 0, Date.now())));
  promise(
    seen[0]?.live === true && lived <= LIFETIME_MS && seen.slice(dead).every(isDead),
    `a token in the environment is alive at the start, and dead for good after ${seconds(lived)}`,
  );
}

async function story(there: Surroundings, ca: string): Promise<void> {
  await prepare(there, ca);
  await install(there, gateway);
  await measureStart();
  await startReaders(there, gateway);
  for (const name of ['by-volume', 'by-environment'])
    await until(() => there.seen.get(name)?.find(({ live }) => live), `${name} asks`, 30_000);
  await measureRest();
  await neverDead(there);
  await measureRest();
  for (let count = 0; count < Number(values.kills); count++) await kill(there);
  await environment(there);
}

const stopped = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
});
const authority = await createAuthority();
const there = await surroundings(authority);
try {
  await Promise.race([story(there, authority.ca), stopped]);
} catch (error) {
  say(await diagnosis());
  promise(false, error instanceof Error ? error.message : String(error));
} finally {
  await uninstall();
  await there.close();
}
process.exit(verdict());
