import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../sandbox/apiserver/json.ts';
import type { WireResponse } from '../../sandbox/wire.ts';
import { threadMs } from '../support/processor-time.ts';
import { Acme, type Answer, acme, DAY_SECONDS, jwt } from './acme.ts';

/**
 * What a provider may answer, and what a team sees of it: the token that is held stays where it is, Ready as long as it
 * lives; the condition names the definition's field; the provider is asked ever more seldom; and it heals by itself.
 */

const HOUR = 3_600_000;

type Bad = [what: string, answer: (acme: Acme) => Answer, says: string, spec?: JsonObject];

const json =
  (body: unknown, headers: Record<string, string> = {}) =>
  (world: Acme): Answer =>
  () =>
    world.json(body, headers);
const text =
  (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  (world: Acme): Answer =>
  () =>
    world.text(body, headers);
const lives = (expiresIn: unknown) => json({ access: 'c4n4ry-token', expires_in: expiresIn });
/** @param claims by the provider's clock, in seconds since 1970. */
const signed =
  (claims: (now: number) => JsonObject, headers: Record<string, string> = {}) =>
  (world: Acme): Answer =>
  () =>
    world.json({ access: jwt(claims(Math.floor(world.now / 1000))) }, headers);

const TOKEN = 'spec.flows[password].login.response.token';
const EXPIRES_IN = 'spec.flows[password].login.response.expiresIn';

const BAD: Bad[] = [
  ['HTML', text('<!doctype html><title>c4n4ry</title>'), `${TOKEN} cannot be read, since the body is HTML`],
  ['nothing', text(''), `${TOKEN} cannot be read, since the body is empty`],
  [
    'JSON that was cut',
    text('{"access":"c4n4ry-tok'),
    `${TOKEN} cannot be read, since the body is JSON that ends too early`,
  ],
  ['100 MB', () => hundredMegabytes, 'larger than 256 KiB'],
  [
    'a compressed bomb',
    text(gzipSync(Buffer.alloc(10_000_000)), { 'content-encoding': 'gzip' }),
    `${TOKEN} cannot be read, since the body is compressed`,
  ],
  [
    'another charset',
    text(Buffer.from('{"access":"c4n4ry-é"}', 'latin1'), {
      'content-type': 'application/json; charset=iso-8859-1',
    }),
    `${TOKEN} cannot be read, since the body is not in UTF-8`,
  ],
  ['UTF-16', text(Buffer.from('{"access":"c4n4ry"}', 'utf16le')), `${TOKEN} cannot be read`],
  [
    'a token under __proto__',
    text('{"__proto__":{"access":"c4n4ry-token"}}'),
    `${TOKEN} cannot be read: body has no access`,
  ],
  ['no token', json({ other: 'c4n4ry' }), `${TOKEN} cannot be read: body has no access`],
  ['null as token', json({ access: null }), `${TOKEN} cannot be read: body.access is null`],
  ['a number as token', json({ access: 12_345_678 }), `${TOKEN} cannot be read: body.access is a number`],
  ['an empty token', json({ access: '' }), `${TOKEN} cannot be read: body.access is an empty string`],
  ['a token with a newline', json({ access: 'c4n4ry\ntoken' }), `${TOKEN} has a newline`],
  ['a list', json(['c4n4ry']), `${TOKEN} cannot be read: body is a list`],
  [
    'no expires_in',
    lives(undefined),
    `does not say when the token expires: ${EXPIRES_IN}: body has no expires_in`,
  ],
  [
    'expires_in of null',
    lives(null),
    `does not say when the token expires: ${EXPIRES_IN}: body.expires_in is null`,
  ],
  ['expires_in of -1', lives(-1), `${EXPIRES_IN} says that the token has no time left`],
  ['expires_in of 0', lives(0), `${EXPIRES_IN} says that the token has no time left`],
  ['expires_in of 4', lives(4), `${EXPIRES_IN} says that the token lives less than 5s`],
  ['expires_in of "NaN"', lives('NaN'), `${EXPIRES_IN} is a string that is not a number of seconds`],
  [
    'expires_in of NaN',
    text('{"access":"c4n4ry-token","expires_in":NaN}'),
    `${TOKEN} cannot be read, since the body is not JSON`,
  ],
  ['expires_in of 1e18', lives(1e18), `${EXPIRES_IN} is more than ten years away`],
  ['expires_in of "1e18"', lives('1e18'), `${EXPIRES_IN} is a string that is not a number of seconds`],
  ['expires_in that is a list', lives([3600]), `${EXPIRES_IN} is a list`],
  [
    'an exp in the past',
    signed(now => ({ exp: now - 60 })),
    'spec.flows[jwt].login.response.token the token had expired when it came',
    { flow: 'jwt' },
  ],
  [
    'an exp in milliseconds',
    signed(now => ({ exp: (now + 3600) * 1000 })),
    "spec.flows[jwt].login.response.token the token's own exp is no time in seconds",
    { flow: 'jwt' },
  ],
  [
    'an expiry that is no time',
    json({ access: 'c4n4ry-token', until: 'tomorrow' }),
    'spec.flows[until].login.response.expiresAt is a string that is not a time',
    { flow: 'until' },
  ],
];

/** Never ends by itself: whoever reads it whole would sit there with 100 MB. */
const hundredMegabytes = (request: { signal: AbortSignal }): WireResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  stream: sink => {
    const chunk = Buffer.alloc(256 * 1024, 0x20);
    let sent = 0;
    const pump = (): void => {
      sent += 1;
      if (sent > 400 || request.signal.aborted) return;
      sink.write(chunk);
      queueMicrotask(pump);
    };
    pump();
  },
});

describe('a provider that used to work answers with', () => {
  const tenant = (index: number): string => `bad-${index}`;
  const seen: {
    token: string;
    ready: string;
    said: string;
    message: string;
    asked: number;
    calls: number;
  }[][] = [];
  let world: Acme;

  /** What each team sees at this moment. */
  const look = () => {
    seen.push(
      BAD.map((_row, index) => {
        const name = tenant(index);
        const refreshed = world.condition(name, 'Refreshed');
        return {
          token: world.secret(name)?.data.token ?? '',
          ready: `${world.condition(name, 'Ready')?.status} ${world.condition(name, 'Ready')?.reason}`,
          said: `${refreshed?.status} ${refreshed?.reason}`,
          message: refreshed?.message ?? '',
          asked: world.asked(name),
          calls: world.calls(name),
        };
      }),
    );
  };

  // A day's token is first renewed after 8 to 16 hours.
  beforeAll(async () => {
    world = new Acme();
    BAD.forEach(([, , , spec], index) => {
      const name = tenant(index);
      if (spec?.flow === 'jwt')
        world.answer(name, signed(now => ({ iat: now, exp: now + DAY_SECONDS }))(world));
      world.source(name);
      world.credential(name, spec ?? {});
    });
    await world.advance(60_000);
    look();
    world.world.api.requests.clear();
    for (const [index, [, answer]] of BAD.entries()) world.answer(tenant(index), answer(world));
    await world.advance(20 * HOUR);
    look();
    await world.advance(6 * HOUR);
    look();
    BAD.forEach(([, , , spec], index) => {
      const good = signed(now => ({ iat: now, exp: now + DAY_SECONDS }))(world);
      world.answer(tenant(index), spec?.flow === 'jwt' ? good : undefined);
    });
    await world.advance(2 * HOUR);
    look();
  });
  afterAll(() => world?.run.crash());

  test.each(BAD.map(([what, , says], index) => ({ what, says, index })))('$what', ({ says, index }) => {
    const [before, failing, expired, mended] = seen.map(rows => rows[index]);
    expect(before).toMatchObject({ ready: 'True TokenLive', asked: 1 });
    expect(failing, 'the token lives, and stays').toMatchObject({
      token: before?.token,
      ready: 'True TokenLive',
      said: 'False Unusable',
    });
    expect(failing?.message).toContain(says);
    expect(expired, 'a dead token stays too').toMatchObject({
      token: before?.token,
      ready: 'False Unusable',
    });
    expect(expired?.message).toContain(says);
    expect(mended, 'it heals by itself').toMatchObject({
      ready: 'True TokenLive',
      said: 'True TokenPublished',
    });
    expect(mended?.token).not.toBe(before?.token);
    // Waits double from a minute to an hour: 7 tries in the first two hours, then one an hour.
    expect(failing?.asked, 'it is asked again').toBeGreaterThan(3);
    expect(expired?.asked, 'and ever more seldom').toBeLessThan(28);
    expect(expired?.calls, 'a write or two of status a try').toBeLessThan(3 * (expired?.asked ?? 0));
  });
});

describe('a token is taken from', () => {
  type Good = [
    what: string,
    answer: (world: Acme) => Answer,
    token: string | RegExp,
    seconds: number | undefined,
    spec?: JsonObject,
  ];
  const GOOD: Good[] = [
    [
      'duplicate keys: the last one, as every JSON reader takes it',
      text('{"access":"c4n4ry-1","access":"c4n4ry-2","expires_in":60}'),
      'c4n4ry-2',
      60,
    ],
    [
      'beside __proto__',
      text('{"__proto__":{"access":"c4n4ry-1"},"access":"c4n4ry-2","expires_in":60}'),
      'c4n4ry-2',
      60,
    ],
    ['expires_in as a decimal string', lives('120.5'), 'c4n4ry-token', 120.5],
    [
      'no expiry, where the definition tells of none',
      json({ access: 'c4n4ry-token' }),
      'c4n4ry-token',
      undefined,
      { flow: 'jwt' },
    ],
    [
      'a provider whose clock is five hours ahead',
      world => () => {
        const theirs = world.now + 5 * HOUR;
        return world.json(
          { access: jwt({ exp: theirs / 1000 + 3600 }) },
          { date: new Date(theirs).toUTCString() },
        );
      },
      /^ey/,
      3600,
      { flow: 'jwt' },
    ],
    [
      'a provider whose clock is five hours behind',
      world => () => {
        const theirs = world.now - 5 * HOUR;
        return world.json(
          { access: jwt({ exp: theirs / 1000 + 3600 }) },
          { date: new Date(theirs).toUTCString() },
        );
      },
      /^ey/,
      3600,
      { flow: 'jwt' },
    ],
    [
      'an exp in the past, though the token says how long it lives',
      signed(now => ({ iat: now - 8 * 3600, exp: now - 7 * 3600 })),
      /^ey/,
      3600,
      { flow: 'jwt' },
    ],
    [
      'an exp in milliseconds beside an expires_in that is right',
      world => () => world.json({ access: jwt({ exp: world.now * 2 }), expires_in: 600 }),
      /^ey/,
      600,
    ],
  ];

  test.each(GOOD)('%s', async (_what, answer, token, seconds, spec = {}) => {
    const world = acme();
    world.answer('good', answer(world));
    world.source('good');
    world.credential('good', spec);
    await world.advance(4000);
    expect(world.condition('good', 'Ready')).toMatchObject({ status: 'True' });
    expect(world.secret('good')?.data.token).toMatch(token);
    const { issuedAt = '', expiresAt } = world.status('good').token ?? {};
    if (seconds === undefined) expect(expiresAt).toBeUndefined();
    else
      expect(Math.abs((Date.parse(expiresAt ?? '') - Date.parse(issuedAt)) / 1000 - seconds)).toBeLessThan(1);
  });
});

describe('what takes for ever', () => {
  test('a definition whose CEL would is refused with its field, and nothing is sent', async () => {
    const world = acme();
    const slow = "body.a.filter(x, body.a.exists(y, x == y)).size() > 0 ? body.access : ''";
    world.provider('slow', { flows: [loginWith({ token: slow })], defaultFlow: null });
    world.source('slow');
    world.credential('slow', { providerRef: { name: 'slow' } });
    await world.advance(HOUR);
    const accepted = JSON.stringify(world.world.api.get('clustertokenproviders', 'slow')?.status);
    expect(accepted).toContain('DefinitionInvalid');
    expect(accepted).toContain('spec.flows[login].login.response.token');
    expect(world.condition('slow', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ProviderNotAccepted',
    });
    expect(world.asked('slow')).toBe(0);
  });

  test('neither a CEL expression over a large answer nor a pattern that backtracks elsewhere holds up the others', async () => {
    const world = acme();
    const items = Array.from({ length: 9000 }, (_, at) => `${at}`);
    world.provider('large', {
      parameters: [...parameters, { name: 'word', pattern: '(a+)+b' }],
      flows: [loginWith({ token: "body.items.exists(x, x.matches('^(a+)+b$')) ? '' : body.access" })],
      defaultFlow: null,
    });
    world.answer('large', () => world.json({ items, access: 'c4n4ry-token' }));
    world.source('large');
    world.credential('large', { providerRef: { name: 'large' } });
    world.source('long');
    world.credential('long', { providerRef: { name: 'large' }, parameters: { word: 'a'.repeat(253) } });
    const before = threadMs();
    await world.advance(4000);
    expect(threadMs() - before).toBeLessThan(1000);
    expect(world.condition('large', 'Ready')).toMatchObject({ status: 'True' });
    expect(world.condition('long', 'Ready')).toMatchObject({ status: 'False', reason: 'ParameterInvalid' });
  });

  const parameters = [{ name: 'tenant', required: true, pattern: '[a-z0-9-]+' }];
  const loginWith = (response: JsonObject): JsonObject => ({
    name: 'login',
    inputs: ['username', 'password'],
    login: { request: { path: '/login', json: { password: '$(input.password)' } }, response },
  });
});

describe('nothing becomes a login loop', () => {
  test('by a before that is longer than the life of the token', async () => {
    const world = acme();
    world.answer('eager', () => world.good({ expires_in: 3600 }));
    world.source('eager');
    world.credential('eager', { schedule: { before: '30d' } });
    await world.advance(8 * HOUR);
    // At most four fifths of an hour before its end, and a tenth of the wait for jitter.
    expect(world.asked('eager')).toBeLessThanOrEqual((8 * 60) / (12 * 0.9) + 2);
    expect(world.asked('eager')).toBeGreaterThan(35);
    expect(world.condition('eager', 'Ready')).toMatchObject({ status: 'True' });
  });

  test('by a provider that answers with the same expiry each time', async () => {
    const world = acme();
    const end = Math.floor(world.now / 1000) + DAY_SECONDS;
    world.answer('same', () => world.good({ until: end }));
    world.source('same');
    world.credential('same', { flow: 'until' });
    await world.advance(23.9 * HOUR);
    expect(world.condition('same', 'Ready')).toMatchObject({ status: 'True', reason: 'NoLaterExpiry' });
    expect(world.asked('same')).toBeLessThan(16);
    const before = world.asked('same');
    await world.advance(24 * HOUR);
    const ready = world.condition('same', 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'Unusable' });
    expect(ready?.message).toContain('login.response.expiresAt says that the token has no time left');
    expect(world.asked('same') - before, 'at first each minute, then each hour').toBeLessThan(45);
  });
});

describe('a clock that is off by hours', () => {
  test.each([7, -7])("the operator's own, by %i: expiry and renewal are as they should be", async hours => {
    const world = acme({ operatorSkewMs: hours * HOUR });
    world.answer('skewed', signed(now => ({ iat: now, exp: now + 3600 }))(world));
    world.source('skewed');
    world.credential('skewed', { flow: 'jwt' });
    const began = world.now;
    await world.advance(5000);
    const { issuedAt = '', expiresAt = '', renewAt = '' } = world.status('skewed').token ?? {};
    expect(Date.parse(issuedAt) - began).toBeLessThan(5000);
    expect(Date.parse(expiresAt) - began).toBeGreaterThan(3_590_000);
    expect(Date.parse(expiresAt) - began).toBeLessThan(3_605_000);
    expect(Date.parse(renewAt)).toBeLessThan(Date.parse(expiresAt));
    await world.advance(10 * HOUR);
    expect(world.asked('skewed')).toBeLessThan(20);
    expect(world.condition('skewed', 'Ready')).toMatchObject({ status: 'True' });
  });
});
