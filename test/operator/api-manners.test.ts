import { describe, expect, test } from 'vitest';
import { addCredential, isReady, MINUTE, SECOND, scene } from './scene.ts';

const LEASES = 'leases';

describe('--kube-api-qps', () => {
  test('no more writes than that are sent, none is lost, and the Lease is renewed as ever', async () => {
    const it = await scene({ start: false });
    const made = Array.from({ length: 40 }, (_, index) => addCredential(it.world, 'pgf/login', index + 2));
    it.calm();
    await it.start(['--kube-api-qps=4', '--leader-elect']);
    await it.advance(65 * SECOND);
    const writes = it.world.api.requests.all(
      ({ verb, resource }) => resource !== LEASES && !['get', 'list', 'watch', 'read'].includes(verb),
    );
    // Of each: a dry run, a creation, two of status, an event.
    expect(writes.length).toBeGreaterThan(190);
    // Two seconds' worth at once, and what comes in a second.
    for (const [index, { at }] of writes.entries())
      expect(at - (writes[index - 12]?.at ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(SECOND);
    expect(made.every(one => isReady(it.world, one))).toBe(true);
    const renewals = it.world.api.requests.all(
      ({ resource, verb }) => resource === LEASES && verb === 'patch',
    );
    for (const [index, { at }] of renewals.entries())
      expect(at - (renewals[index - 1]?.at ?? at)).toBeLessThanOrEqual(2 * SECOND + 100);
    expect(renewals.length).toBeGreaterThan(20);
  });
});

describe('Retry-After of the API server is honoured', () => {
  test.each([429, 503])('%i, by a credential', async status => {
    const it = await scene();
    it.world.api.inject(
      ({ verb, subresource, resource }) =>
        verb === 'patch' && resource === 'providercredentials' && subresource === 'status',
      { status, reason: 'TooManyRequests', retryAfter: 50 },
    );
    it.edit({ suspend: true });
    await it.advance(49 * SECOND);
    expect(it.ready).toBe('True TokenLive');
    await it.advance(4 * SECOND);
    expect(it.ready).toBe('True Suspended');
    expect(it.status.observedGeneration).toBe(2);
  });

  test('by a provider’s status', async () => {
    const it = await scene();
    let refused = 0;
    it.world.api.inject(
      ({ verb, resource }) => {
        const ours = verb === 'patch' && resource === 'clustertokenproviders';
        if (ours) refused += 1;
        return ours;
      },
      { status: 429, reason: 'TooManyRequests', retryAfter: 50 },
    );
    it.editProvider('pgf', { spec: { documentation: 'https://example.com/other' } });
    await it.advance(49 * SECOND);
    expect(refused).toBe(1);
    it.calm();
    await it.advance(MINUTE);
    expect(it.writes).toEqual({ 'patch clustertokenproviders/status': 1 });
  });
});

describe('no write that changes nothing', () => {
  test('whatever asks for another look: a status and a Secret that are as they should be are left alone', async () => {
    const it = await scene();
    await it.advance(MINUTE);
    it.calm();
    it.edit({}, { labels: { team: 'a' } });
    it.edit({ suspend: false });
    it.editProvider('pgf', { metadata: { labels: { tier: 'gold' } } });
    it.login({});
    await it.restart();
    await it.advance(MINUTE);
    expect(it.writes).toEqual({});
  });
});
