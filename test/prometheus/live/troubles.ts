import type { Fixture } from '../../../sandbox/fixtures.ts';
import type { Place } from './place.ts';
import type { Prometheus } from './prometheus.ts';

/** Something to see in each panel. */

/** Short, so that renewals come within seconds. */
const SENDFACT_SECONDS = 30;

/** Credentials of all providers but one, which get their tokens and renew them. */
export async function allWell({ providers, make, apply, ready }: Place): Promise<void> {
  providers.sendfact.options.expiresIn = SENDFACT_SECONDS;
  for (const { behaviour } of providers.all) Object.assign(behaviour, { latencyMs: 40, jitterMs: 200 });
  const made: Fixture[] = [
    make('pgf/login', 1),
    make('pgf/login-token', 1),
    make('firmeasy/login', 1),
    make('admintotal/jwt', 1),
    make('admintotal/api-key', 1),
    ...[1, 2, 3, 4].map(index => make('sendfact/token', index)),
  ];
  for (const each of made) await apply(each);
  for (const { name } of made) await ready(name);
}

/** A wrong password, a throttle and an outage; resolves when a login is stopped, an origin is paused and a circuit is open. */
export async function troubles({ providers, make, apply }: Place, prometheus: Prometheus): Promise<void> {
  const wrong = make('pgf/login', 2);
  providers.pgf.accounts.get(wrong.account).password = 'another-c4n4ry';
  await apply(wrong);
  await seen(prometheus, 'tokensync_credentials_stopped{reason="RejectionLimit"} == 1');

  providers.firmeasy.behaviour.throttle = { requests: 0, windowMs: 5000 };
  for (const index of [2, 3]) await apply(make('firmeasy/login', index));
  await seen(prometheus, 'tokensync_provider_paused == 1');

  providers.ventiapp.behaviour.down = 503;
  for (const index of [1, 2, 3]) await apply(make('ventiapp/password', index));
  await seen(prometheus, 'tokensync_provider_circuit_open == 1');
}

const seen = (prometheus: Prometheus, query: string) => prometheus.until(query, found => found.length > 0);
