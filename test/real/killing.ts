import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { z } from 'zod';
import { createAuthority } from '../../sandbox/certificates.ts';
import { type Fixture, fixture } from '../../sandbox/fixtures.ts';
import type { Providers } from '../../sandbox/providers/index.ts';
import type { WireRequest } from '../../sandbox/wire.ts';
import { API_VERSION, CREDENTIAL_KIND, REFRESH_REQUESTED_AT } from '../../src/api/names.ts';
import { type Client, data, isReady } from '../e2e/cluster.ts';
import { startOutside } from '../e2e/outside.ts';
import { Program } from '../e2e/program.ts';
import { withSpec } from '../operator/scene.ts';
import { type ControlPlane, kubeconfigText } from './control-plane.ts';
import { type Forwarder, startForwarder } from './forwarder.ts';
import { definition } from './install.ts';
import { eventually } from './operated.ts';

const authority = createAuthority();

/** How long tokens live here, and when they are renewed: soon, while the old one lives on for long. */
const LIVES_MS = 30_000;
const RENEWED = { before: '80%' };

const Session = z.object({ refreshToken: z.string().optional() });

/** A program that can be killed at any instant between its API server and its provider, which rotates refresh tokens. */
export interface Killing {
  readonly namespace: string;
  readonly forwarder: Forwarder;
  readonly providers: Providers;
  /** Starts it; only one runs at a time. */
  start(): Program;
  readonly program: Program;
  apply(index: number): Promise<Fixture>;
  remove(made: Fixture): Promise<void>;
  /** The token in the target Secret. */
  token(made: Fixture): Promise<string>;
  /** The last access token that the provider gave this account. */
  newest(made: Fixture): string;
  /** Until the newest token is in the Secret, and status says that it lives. */
  untilPublished(made: Fixture, timeoutMs?: number): Promise<void>;
  /** As a person would who does not want to wait: one login, now. */
  requestRefresh(made: Fixture): Promise<void>;
  /** The refresh token that is kept for the next refresh, and whether the provider would take it. */
  keepsLiveRefreshToken(made: Fixture): Promise<boolean>;
  /** What the provider was asked, by step and outcome. */
  asked(made: Fixture, step: 'login' | 'refresh', outcome?: string): number;
  /** Refreshes that the provider refused; it does not know for whom. */
  refused(): number;
  /** Refresh tokens that the provider gave, and that no write of ours ever held. */
  lost(made: Fixture): number;
}

export async function killing(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  client: Client,
  plane: ControlPlane,
): Promise<Killing> {
  const trusted = await authority;
  const namespace = `killed-${randomBytes(4).toString('hex')}`;
  const outside = await startOutside(trusted, namespace);
  const { providers } = outside;
  const { admintotal } = providers;
  Object.assign(admintotal.options, { rotate: true, accessMs: LIVES_MS });
  // An answer takes a moment: so it can be lost.
  admintotal.behaviour.latencyMs = 100;
  const forwarder = await startForwarder(plane, trusted);
  for (const name of [namespace, `${namespace}-system`]) {
    await client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const provider = `${namespace}-admintotal`;
  await client.apply(definition('admintotal', provider, trusted.ca));
  const kubeconfig = join(plane.folder, `${namespace}.kubeconfig`);
  const { token } = plane;
  await writeFile(kubeconfig, kubeconfigText({ server: forwarder.url, ca: trusted.ca, token, namespace }), {
    mode: 0o600,
  });
  const programs: Program[] = [];
  onTestFinished(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.map(({ exited }) => exited));
    await Promise.all([forwarder.close(), outside.close()]);
  });
  const claims = (jwt: string): { sub: string; token_type: string } =>
    z
      .object({ sub: z.string(), token_type: z.string() })
      .parse(JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()));
  const issued = ({ account }: Fixture, type: string): string[] =>
    [...admintotal.tokens.remembered()].filter(jwt => {
      const { sub, token_type } = claims(jwt);
      return sub === account && token_type === type;
    });
  /** Every refresh token that a committed write held. */
  const saved = new Set<string>();
  const values = async (name: string) => {
    const secret = await client.get('Secret', name, namespace);
    return secret === undefined ? {} : data(secret);
  };
  const session = (text: string | undefined) =>
    text === undefined ? undefined : Session.parse(JSON.parse(text)).refreshToken;
  const running = (): Program => {
    const last = programs.at(-1);
    if (last === undefined) throw new Error('not started');
    return last;
  };
  forwarder.committed = ({ url, body }) => {
    if (!url.pathname.endsWith('.session') || url.searchParams.has('dryRun')) return;
    const written = z.object({ data: z.object({ session: z.string() }) }).parse(JSON.parse(body.toString()));
    const refreshToken = session(Buffer.from(written.data.session, 'base64').toString());
    if (refreshToken !== undefined) saved.add(refreshToken);
  };
  const killed: Killing = {
    namespace,
    forwarder,
    providers,
    start: () => {
      forwarder.before = () => undefined;
      forwarder.after = () => undefined;
      const program = new Program(
        [
          `--kubeconfig=${kubeconfig}`,
          `--watch-namespaces=${namespace}`,
          `--operator-namespace=${namespace}-system`,
          '--leader-elect=false',
          '--rejection-delays=1s',
          '--propagation-margin=1s',
          '--metrics-bind-address=0',
          '--health-probe-bind-address=0',
        ],
        outside.env,
      );
      programs.push(program);
      return program;
    },
    get program() {
      return running();
    },
    apply: async index => {
      const made = fixture('admintotal/jwt', index, providers, { namespace });
      await client.apply(made.source, namespace);
      const own = { providerRef: { name: provider }, schedule: RENEWED };
      await client.apply(withSpec(made.credential, own), namespace);
      return made;
    },
    remove: async ({ name }) => {
      const path = `/apis/tokensync.dev/v1alpha1/namespaces/${namespace}/providercredentials/${name}`;
      await client.send('DELETE', path);
    },
    token: async ({ name }) => (await values(`${name}-token`)).token ?? '',
    newest: made => issued(made, 'access').at(-1) ?? '',
    requestRefresh: async ({ name }) => {
      const path = `/apis/tokensync.dev/v1alpha1/namespaces/${namespace}/providercredentials/${name}`;
      const annotations = { [REFRESH_REQUESTED_AT]: 'now' };
      const asked = { apiVersion: API_VERSION, kind: CREDENTIAL_KIND, metadata: { name, annotations } };
      const { status, body } = await client.send('PATCH', `${path}?fieldManager=person&force=true`, asked);
      if (status !== 200) throw new Error(JSON.stringify(body));
    },
    untilPublished: async (made, timeoutMs = 60_000) => {
      await eventually(
        async () => {
          const newest = killed.newest(made);
          if (newest === '' || (await killed.token(made)) !== newest || !providers.isLive(newest))
            return undefined;
          const item = await client.get('ProviderCredential', made.name, namespace);
          return (item !== undefined && isReady(item)) || undefined;
        },
        () => `the newest token of ${made.name} in its Secret; the program said: ${running().output}`,
        timeoutMs,
      );
    },
    keepsLiveRefreshToken: async ({ name }) => {
      const kept = session((await values(`${name}.session`)).session);
      return kept !== undefined && admintotal.isLiveRefreshToken(kept);
    },
    asked: ({ account }, step, outcome) =>
      providers.log.entries.filter(
        entry =>
          entry.account === account && entry.step === step && (outcome ?? entry.outcome) === entry.outcome,
      ).length,
    refused: () => providers.log.count({ step: 'refresh', outcome: 'refused' }),
    lost: made => issued(made, 'refresh').filter(refreshToken => !saved.has(refreshToken)).length,
  };
  return killed;
}

/** Writes by what they are of. */
export const WRITES = {
  session: ({ url, method }: WireRequest) => method === 'PATCH' && url.pathname.endsWith('.session'),
  rehearsal: ({ url, method }: WireRequest) =>
    method === 'PATCH' && url.pathname.endsWith('-token') && url.searchParams.has('dryRun'),
  target: ({ url, method }: WireRequest) =>
    method === 'PATCH' && url.pathname.endsWith('-token') && !url.searchParams.has('dryRun'),
  status: ({ url, method }: WireRequest) =>
    method === 'PATCH' && /providercredentials\/.*\/status$/.test(url.pathname),
  event: ({ url, method }: WireRequest) => method === 'POST' && url.pathname.endsWith('/events'),
};
