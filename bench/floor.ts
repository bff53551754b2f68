import { Pool } from 'undici';
import { z } from 'zod';
import { answering } from './lib/child.ts';

/** What one refresh must do, and nothing else: ask the provider, apply the Secret, patch the status; with a refresh token, save it. */
const Options = z.object({
  api: z.object({ url: z.string(), ca: z.string(), token: z.string() }),
  provider: z.object({ url: z.string(), ca: z.string() }),
  lane: z.string(),
  flow: z.enum(['login', 'refresh']),
  /** No token was there before: the login is read, the Secret's write rehearsed, and the login counted, since it may be refused. */
  first: z.boolean(),
  concurrency: z.number(),
  /** A Secret, a session where there are such, and a status as the operator writes them. */
  secret: z.looseObject({}),
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  session: z.looseObject({}).nullable(),
  status: z.looseObject({ token: z.looseObject({}) }),
  credentials: z.array(
    z.object({ name: z.string(), uid: z.string(), username: z.string(), password: z.string() }),
  ),
});
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

let refreshAll: () => Promise<{ done: number; requests: number }> = () =>
  Promise.reject(new Error('not prepared'));

function prepare(options: z.infer<typeof Options>): void {
  const { lane, flow, first, secret, labels, annotations, session, status, credentials } = options;
  const api = new Pool(options.api.url, { connections: 16, allowH2: false, connect: { ca: options.api.ca } });
  const provider = new Pool(options.provider.url, {
    connections: options.concurrency,
    allowH2: false,
    connect: { ca: options.provider.ca },
    // As the operator: a login is not risked on a connection that was idle for long.
    keepAliveTimeout: 4000,
    keepAliveMaxTimeout: 4000,
  });
  const authorization = `Bearer ${options.api.token}`;
  const refreshTokens = new Map<string, string>();
  let requests = 0;
  const round = new Map<string, number>();

  async function patch(path: string, type: string, body: unknown): Promise<void> {
    requests++;
    const headers = { authorization, accept: METADATA_ONLY, 'content-type': `application/${type}` };
    const answer = await api.request({ method: 'PATCH', path, headers, body: JSON.stringify(body) });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${text}`);
  }
  const secrets = `/api/v1/namespaces/${lane}/secrets`;
  const apply = (name: string, body: unknown, query = ''): Promise<void> =>
    patch(`${secrets}/${name}?fieldManager=tokensync&force=true${query}`, 'apply-patch+yaml', body);
  const tell = (name: string, status: unknown): Promise<void> =>
    patch(
      `/apis/tokensync.dev/v1alpha1/namespaces/${lane}/providercredentials/${name}/status?fieldManager=tokensync`,
      'merge-patch+json',
      { status },
    );

  async function beforeFirst(name: string): Promise<void> {
    requests++;
    const login = await api.request({
      method: 'GET',
      path: `${secrets}/${name}-login`,
      headers: { authorization, accept: 'application/json' },
    });
    if (login.statusCode !== 200) throw new Error(`${name}-login: ${login.statusCode}`);
    await login.body.json();
    await apply(`${name}-token`, { ...secret, metadata: { name: `${name}-token` } }, '&dryRun=All');
    await tell(name, { login: { tries: 1 } });
  }

  async function refresh({ name, uid, username, password }: (typeof credentials)[number]): Promise<void> {
    if (first) await beforeFirst(name);
    const old = refreshTokens.get(name);
    requests++;
    const { statusCode, body } = await provider.request({
      method: 'POST',
      path: old === undefined ? `/${lane}/token` : `/${lane}/refresh`,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(old === undefined ? { username, password } : { refresh: old }),
    });
    const { access_token, refresh_token, expires_in } = (await body.json()) as Record<string, string>;
    if (statusCode !== 200) throw new Error(`the provider answered ${statusCode}`);
    const now = Date.now();
    const issuedAt = `${new Date(now).toISOString().slice(0, 19)}Z`;
    const expiresAt = `${new Date(now + Number(expires_in) * 1000).toISOString().slice(0, 19)}Z`;
    const owner = { apiVersion: 'tokensync.dev/v1alpha1', kind: 'ProviderCredential', name, uid };
    // What an apply leaves out it takes away.
    const identity = {
      namespace: lane,
      labels,
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: false }],
    };
    const credential = { 'tokensync.dev/credential': `${lane}/${name}` };
    if (flow === 'refresh' && refresh_token !== undefined) {
      refreshTokens.set(name, refresh_token);
      const kept = JSON.stringify({
        refreshToken: refresh_token,
        answer: { token: access_token, issuedAt, expiresAt },
      });
      await apply(`${name}.session`, {
        ...session,
        metadata: { ...identity, name: `${name}.session`, annotations: credential },
        data: { session: base64(kept) },
      });
    }
    const grants = (round.get(name) ?? 0) + 1;
    round.set(name, grants);
    await apply(`${name}-token`, {
      ...secret,
      metadata: {
        ...identity,
        name: `${name}-token`,
        annotations: {
          ...annotations,
          ...credential,
          'tokensync.dev/issued-at': issuedAt,
          'tokensync.dev/expires-at': expiresAt,
          'tokensync.dev/grants': String(grants),
        },
      },
      data: {
        token: base64(String(access_token)),
        token_type: base64('Bearer'),
        header_name: base64('Authorization'),
        header_value: base64(`Bearer ${access_token}`),
        expires_at: base64(expiresAt),
      },
    });
    // All of it the first time; then what has changed.
    const token = { issuedAt, expiresAt, renewAt: expiresAt };
    await tell(name, grants === 1 ? { ...status, token: { ...status.token, ...token } } : { token });
  }

  refreshAll = async () => {
    const before = requests;
    const left = credentials.values();
    const worker = async (): Promise<void> => {
      for (const credential of left) await refresh(credential);
    };
    await Promise.all(Array.from({ length: options.concurrency }, worker));
    return { done: credentials.length, requests: requests - before };
  };
}

answering({ prepare: args => prepare(Options.parse(args)), run: () => refreshAll() });
