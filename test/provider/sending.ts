import { afterEach, expect } from 'vitest';
import { systemClock } from '../../src/loop/clock.ts';
import type { Resolve } from '../../src/provider/connect.ts';
import type { NetworkSpec } from '../../src/provider/guard.ts';
import { createTransport, type TransportOptions } from '../../src/provider/transport.ts';
import type { Sent, Transport } from '../../src/provider/types.ts';
import { account, authority, certificate, LOOPBACK, never, post } from './local.ts';

/** Sending to local servers: what the transport's tests share. */

/** Stands in the URL, and so must stand nowhere else. */
export const PATH = '/v1/canary-path/login?q=canary-query';

export const ca = await authority();
export const cert = await certificate(ca);

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
/** Closed after the test. */
export const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  closing.unshift(one);
  return one;
};

/** Loopback is allowed, and the certificates of `ca` are trusted. */
export const trusting = (more: Partial<NetworkSpec> = {}): NetworkSpec => ({
  ...LOOPBACK,
  caBundle: ca.cert,
  ...more,
});
const toLoopback: Resolve = async () => [{ address: '127.0.0.1', family: 4 }];
/** Every name is 127.0.0.1. */
export const transport = (more: Partial<TransportOptions> = {}): Transport =>
  keep(createTransport({ clock: systemClock, resolve: toLoopback, ...more }));

/** Sends, and holds that no failure repeats what is secret or comes from a library. */
export async function send(
  to: Transport,
  url: string,
  network = trusting(),
  timeoutMs = 5000,
  signal = never(),
): Promise<Sent> {
  const sent = await to.send(account(network, timeoutMs), post(url), signal);
  if (!sent.ok) expect(JSON.stringify(sent)).not.toMatch(/canary|127\.0\.0\.1|ECONN|UND_|provider\.test/);
  return sent;
}
/** The failure, or the status where there is none. */
export const failure = (sent: Sent) => (sent.ok ? { ok: sent.answer.status } : sent.failure);
export const saying = (text: string): unknown => expect.stringContaining(text);
