import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { serve } from '../sandbox/serve.ts';
import type { WireRequest, WireResponse } from '../sandbox/wire.ts';
import { answering } from './lib/child.ts';

/**
 * A login API as a process of its own, as quick as can be: `/LANE/token` takes a user name and a password, `/LANE/refresh` a
 * refresh token, and gives a new one; the old one is then dead. Tokens are JWTs as providers make them, signed by nobody.
 */
const Options = z.object({
  key: z.string(),
  cert: z.string(),
  /** Seconds. */
  lifetime: z.number(),
});
const Login = z.object({ username: z.string(), password: z.string() });
const Refresh = z.object({ refresh: z.string() });

const granted = new Map<string, number>();
/** Account to the number of its refresh token that lives. */
const live = new Map<string, number>();
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const HEAD = base64url({ alg: 'HS256', typ: 'JWT' });

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

answering({
  serve: async args => {
    const { key, cert, lifetime } = Options.parse(args);
    const { url } = await serve(request => answer(request, lifetime), { tls: { key, cert } });
    return url;
  },
  granted: lane => granted.get(z.string().parse(lane)) ?? 0,
});
