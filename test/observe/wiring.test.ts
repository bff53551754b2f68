import { expect, test } from 'vitest';
import { type Acme, acme, LOGIN } from '../operator/acme.ts';

/** That the operator tells the metrics what is so. What they make of it is tested beside them. */

const MINUTE = 60_000;

async function series(it: Acme, name: string): Promise<string[]> {
  return (await it.run.scrape())
    .split('\n')
    .filter(line => new RegExp(`^tokensync_${name}[{ ]`).test(line) && !/provider="(?!acme)/.test(line))
    .map(line => line.slice('tokensync_'.length));
}

test('a login that is refused: counted, then stopped, and no longer when it is corrected', async () => {
  const it = acme();
  it.answer('shop', { status: 401 });
  it.source('shop');
  it.credential('shop');
  await it.advance(5000);
  const id = 'namespace="default",name="shop",provider="acme"';
  expect(await series(it, 'credential_rejections')).toEqual([`credential_rejections{${id}} 1`]);
  expect(await series(it, 'credentials_refused')).toEqual(['credentials_refused{provider="acme"} 1']);
  expect(await series(it, 'credentials_failing')).toEqual([
    'credentials_failing{provider="acme",reason="Rejected"} 1',
  ]);
  await it.advance(12 * MINUTE);
  expect(await series(it, 'credential_stopped')).toEqual([
    `credential_stopped{${id},reason="RejectionLimit"} 1`,
  ]);
  expect(await series(it, 'credential_not_ready')).toEqual([
    `credential_not_ready{${id},reason="RejectionLimit"} 1`,
  ]);
  expect(await series(it, 'credentials_state')).toContain('credentials_state{provider="acme",state="new"} 1');
  expect(await series(it, 'credential_seconds_total')).toEqual([
    'credential_seconds_total{provider="acme",state="live"} 0',
    'credential_seconds_total{provider="acme",state="dead"} 0',
  ]);
  it.answer('shop', undefined);
  it.source('shop', { ...LOGIN, password: 'right-c4n4ry' });
  await it.advance(5000);
  expect(await series(it, 'credential_stopped')).toEqual([]);
  expect(await series(it, 'credential_ready')).toEqual([`credential_ready{${id}} 1`]);
});

test('a token that dies without a successor, by the second; and nothing of who is deleted', async () => {
  const it = acme();
  it.source('shop');
  it.credential('shop');
  it.answer('shop', () => it.good({ expires_in: 600 }));
  await it.advance(1000);
  it.answer('shop', { status: 503 });
  const [, since] = (await series(it, 'credential_seconds_total')).map(line => Number(line.split(' ')[1]));
  expect(since).toBe(0);
  await it.advance(900_000);
  expect(await series(it, 'credentials_expired')).toEqual(['credentials_expired{provider="acme"} 1']);
  expect(await series(it, 'credentials_past_renewal')).toContain(
    'credentials_past_renewal{provider="acme",failing="true"} 1',
  );
  const [live = 0, dead = 0] = (await series(it, 'credential_seconds_total')).map(line =>
    Number(line.split(' ')[1]),
  );
  expect(Math.abs(live - 600)).toBeLessThan(2);
  expect(Math.abs(dead - 300)).toBeLessThan(2);
  it.world.api.delete('providercredentials', 'shop', 'default');
  await it.advance(1000);
  expect(await it.run.scrape()).not.toContain('name="shop"');
  expect(await series(it, 'credentials')).toEqual([]);
});

test('what is held up by a person is in no count that alerts look at', async () => {
  const it = acme();
  it.source('shop');
  it.credential('shop', { suspend: true });
  await it.advance(5000);
  expect(await series(it, 'credential_suspended')).toHaveLength(1);
  expect(await series(it, 'credentials')).toEqual([
    'credentials{provider="acme",ready="false",reason="Suspended"} 1',
  ]);
});

test('a definition that cannot work, an origin that asks to wait, limits below the need', async () => {
  const it = acme();
  it.provider('acme-broken', {
    environments: [{ name: 'production', baseUrl: 'https://$(param.nobody).acme.test' }],
  });
  it.provider('acme', { limits: { requestsPerMinute: 1 } });
  for (const tenant of ['a', 'b']) {
    it.source(tenant);
    it.credential(tenant, { parameters: { tenant: 'shared' } });
  }
  it.answer('shared', { status: 429, headers: { 'retry-after': '120' } });
  await it.advance(90_000);
  expect(await series(it, 'provider_accepted')).toEqual([
    'provider_accepted{provider="acme"} 1',
    'provider_accepted{provider="acme-broken"} 0',
  ]);
  expect(await series(it, 'provider_paused')).toEqual([
    'provider_paused{provider="acme",origin="https://shared.acme.test"} 1',
  ]);
  it.answer('shared', () => it.good({ expires_in: 30 }));
  await it.advance(10 * MINUTE);
  expect(await series(it, 'provider_paused')).toEqual([
    'provider_paused{provider="acme",origin="https://shared.acme.test"} 0',
  ]);
  expect(await series(it, 'provider_saturated')).toContain('provider_saturated{provider="acme"} 1');
});
