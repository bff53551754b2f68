import { expect, test } from 'vitest';
import { secret } from '../../../sandbox/fixtures.ts';
import { openPlace } from './place.ts';
import { hasPrometheus } from './prometheus.ts';

/** The shipped rules in a real Prometheus, which looks at the real program: each trouble raises its own alert and no other, and it goes. */

const PATIENCE_MS = 600_000;
const FIRING = 'ALERTS{alertstate="firing"}';

test('each alert fires for its own trouble alone, and clears', { timeout: PATIENCE_MS }, async context => {
  if (!hasPrometheus()) context.skip('prometheus is not installed (Debian: apt install prometheus)');
  const { watch, providers, start, apply, make, ready, ask, close } = await openPlace();
  context.onTestFinished(close);
  let program = await start();
  const prometheus = await watch();
  const firing = async (alert: string): Promise<Record<string, string>> => {
    const [found = {}] = await prometheus.until(FIRING, alerts =>
      alerts.some(each => each.alertname === alert),
    );
    return found;
  };
  const cleared = () => prometheus.until(FIRING, alerts => alerts.length === 0);
  /** Whatever has fired since this began. */
  const everFired = async (): Promise<string[]> => {
    const found = await prometheus.until(`count by (alertname) (max_over_time(${FIRING}[1h]))`, () => true);
    return found.map(({ alertname = '' }) => alertname).sort();
  };

  // all is well: twenty seconds, which to these rules are twenty minutes
  for (const flow of ['pgf/login', 'pgf/login-token', 'firmeasy/login'] as const) {
    const made = make(flow, 1);
    await apply(made);
    await ready(made.name);
  }
  await prometheus.until('sum_over_time(up[1h]) >= 20', found => found.length === 1);
  await prometheus.until('sum(tokensync_credential_ready) == 3', found => found.length === 1);
  await prometheus.until('tokensync:credential_seconds_live:ratio_rate30d == 1', found => found.length === 1);
  expect(await everFired()).toEqual([]);

  // a wrong password
  const wrong = make('pgf/login', 2);
  providers.pgf.accounts.get(wrong.account).password = 'another-c4n4ry';
  await apply(wrong);
  expect(await firing('TokensyncLoginStopped')).toMatchObject({
    namespace: 'default',
    name: wrong.name,
    provider: 'pgf',
    reason: 'RejectionLimit',
  });
  const right = { username: 'user-2', password: 'another-c4n4ry' };
  await apply({ ...wrong, source: secret('default', `${wrong.name}-login`, right) });
  await cleared();
  expect(await everFired()).toEqual(['TokensyncLoginStopped']);

  // an outage
  providers.ventiapp.behaviour.down = 503;
  const cutOff = make('ventiapp/password', 1);
  await apply(cutOff);
  expect(await firing('TokensyncProviderUnreachable')).toMatchObject({ provider: 'ventiapp' });
  providers.ventiapp.behaviour.down = undefined;
  await ask(cutOff);
  await cleared();
  expect(await everFired()).toEqual(['TokensyncLoginStopped', 'TokensyncProviderUnreachable']);

  // a throttle
  providers.admintotal.behaviour.throttle = { requests: 0, windowMs: 5000 };
  await apply(make('admintotal/jwt', 1));
  expect(await firing('TokensyncProviderThrottling')).toMatchObject({ provider: 'admintotal' });
  providers.admintotal.behaviour.throttle = undefined;
  await cleared();

  // a dead operator
  program.signal('SIGKILL');
  await program.exited;
  await firing('TokensyncAbsent');
  program = await start();
  await cleared();
  await prometheus.until('sum(tokensync_credential_ready) == 6', found => found.length === 1);
  expect(await everFired()).toEqual([
    'TokensyncAbsent',
    'TokensyncLoginStopped',
    'TokensyncProviderThrottling',
    'TokensyncProviderUnreachable',
  ]);
});
