import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Served, serve } from '../sandbox/serve.ts';
import type { WireRequest, WireResponse } from '../sandbox/wire.ts';
import { answering } from './lib/child.ts';
import type { Asked, Origin } from './lib/journal.ts';

/**
 * A login API as a process of its own, as quick as can be: `/LANE/token` takes a user name and a password, `/LANE/refresh` a
 * refresh token, and gives a new one; the old one is then dead. Tokens are JWTs as providers make them, signed by nobody.
 * It can answer at several origins, be slow or away, and keep a journal of what it was asked.
 */
const Options = z.object({
  key: z.string(),
  cert: z.string(),
  /** Seconds. */
  lifetime: z.number(),
});
const Login = z.object({ username: z.string(), password: z.string() });
const Refresh = z.object({ refresh: z.string() });
/** One of `every` answers takes so long; 0: none. */
const Slow = z.object({ every: z.int(), ms: z.number() });
/** Origins by their number; the first has 0. */
const Away = z.object({ origins: z.array(z.int()), how: z.enum(['refuse', 'hang', 'answer']) });

interface Place extends Origin {
  served: Served;
  hangs: boolean;
  inFlight: number;
  peak: number;
}

const granted = new Map<string, number>();
/** Account to the number of its refresh token that lives. */
const live = new Map<string, number>();
const origins: Place[] = [];
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const HEAD = base64url({ alg: 'HS256', typ: 'JWT' });
let options: z.infer<typeof Options> | undefined;
let slow: z.infer<typeof Slow> = { every: 0, ms: 0 };
let asked: Asked[] | undefined;
let count = 0;

function grant(lane: string, account: string, lifetime: number): WireResponse {
  granted.set(lane, (granted.get(lane) ?? 0) + 1);
  const iat = Math.floor(Date.now() / 1000);
  const sequence = (live.get(account) ?? 0) + 1;
  live.set(account, sequence);
  const claims = { sub: account, iat, exp: iat + lifetime, jti: randomBytes(12).toString('hex') };
  const body = JSON.stringify({
    access_token: `${HEAD}.${base64url(claims)}.${randomBytes(32).toString('base64url')}`,
    token_type: 'Bearer',
    expires_in: lifetime,
    refresh_token: `${account}.${sequence}`,
  });
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

function answer({ url, body }: WireRequest, lifetime: number): WireResponse {
  const [, lane = '', step] = url.pathname.split('/');
  const sent: unknown = JSON.parse(body.toString());
  if (step === 'token') return grant(lane, `${lane}/${Login.parse(sent).username}`, lifetime);
  const [account = '', sequence] = Refresh.parse(sent).refresh.split('.');
  return live.get(account) === Number(sequence) ? grant(lane, account, lifetime) : { status: 401 };
}

/** @param index of the origin. */
async function served(index: number, request: WireRequest, lifetime: number): Promise<WireResponse> {
  const origin = origins[index];
  const journal = asked;
  if (origin === undefined || journal === undefined) return answer(request, lifetime);
  const at = Date.now();
  const user = Number(/"user-(\d+)"/.exec(request.body.toString())?.[1] ?? -1);
  count += 1;
  const waits = slow.every > 0 && count % slow.every === 0 ? slow.ms : 0;
  if (origin.hangs) {
    journal.push([user, index, at, -1]);
    return { status: 0, fault: 'hang' };
  }
  journal.push([user, index, at, waits]);
  origin.inFlight += 1;
  origin.peak = Math.max(origin.peak, origin.inFlight);
  if (waits > 0) await delay(waits);
  origin.inFlight -= 1;
  return answer(request, lifetime);
}

async function open(index: number, port = 0): Promise<Served> {
  if (options === undefined) throw new Error('not served yet');
  const { key, cert, lifetime } = options;
  return serve(request => served(index, request, lifetime), { tls: { key, cert }, port });
}

/** @returns its URL. */
async function add(): Promise<string> {
  const made = await open(origins.length);
  origins.push({ url: made.url, served: made, hangs: false, inFlight: 0, peak: 0 });
  return made.url;
}

async function away({ origins: which, how }: z.infer<typeof Away>): Promise<void> {
  for (const index of which) {
    const origin = origins[index];
    if (origin === undefined) throw new Error(`there is no origin ${index}`);
    origin.hangs = how === 'hang';
    await origin.served.close();
    if (how !== 'refuse') origin.served = await open(index, origin.served.port);
  }
}

answering({
  serve: args => {
    options = Options.parse(args);
    return add();
  },
  granted: lane => granted.get(z.string().parse(lane)) ?? 0,
  origin: add,
  slow: args => {
    slow = Slow.parse(args);
  },
  away: args => away(Away.parse(args)),
  /** What was asked since the last time, and how many were at each origin at once; a journal is kept from the first time on. */
  asked: () => {
    const found = asked ?? [];
    asked = [];
    const peaks = origins.map(({ peak }) => peak);
    for (const origin of origins) origin.peak = origin.inFlight;
    return { asked: found, peaks };
  },
});
