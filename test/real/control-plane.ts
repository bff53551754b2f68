import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { stringify } from 'yaml';
import { createAuthority } from '../../sandbox/certificates.ts';
import { Part } from './part.ts';

/** Folder of etcd, kube-apiserver, kube-controller-manager and kubectl, by the name that the ecosystem has for it. */
export const ASSETS = process.env.KUBEBUILDER_ASSETS ?? '';

/** A real control plane on loopback: etcd and kube-apiserver, RBAC on. */
export interface ControlPlane {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  /** Bearer token of a member of system:masters. */
  readonly token: string;
  /** Bearer token of the operator's service account, where its roles are installed. */
  readonly operatorToken?: string;
  /** Of the admin; its context's namespace is `tokensync`. */
  readonly kubeconfig: string;
  /** `http://127.0.0.1:PORT` of etcd, which speaks JSON under /v3 as well. */
  readonly etcd: string;
  /** One JSON object a line for each request that has ended. */
  readonly auditLog: string;
  readonly folder: string;
}

export interface ControlPlaneOptions {
  /** More flags of kube-apiserver. */
  readonly flags?: readonly string[];
  /** Also kube-controller-manager: garbage collection, ends of namespaces. */
  readonly controllers?: boolean;
}

/** What was started, and can be hurt. */
export interface RunningControlPlane extends ControlPlane {
  signal(part: 'etcd' | 'kube-apiserver', signal: NodeJS.Signals): Promise<void>;
  /** Kills kube-apiserver, and waits for its end; its port stays its own. */
  stopApi(): Promise<void>;
  /** Starts it again on the same port, maybe with more flags. Resolves when it is ready. */
  startApi(flags?: readonly string[]): Promise<void>;
  /** As a restored backup or a lost disk: kube-apiserver and etcd end, and come again with nothing in store. */
  startEmpty(): Promise<void>;
  stop(): Promise<void>;
}

const READY_MS = 60_000;
const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  rules: [{ level: 'None', userGroups: ['system:masters'] }, { level: 'Metadata' }],
};

/** @throws with the last words of the part that did not come up. Some 5 s. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<RunningControlPlane> {
  if (ASSETS === '') throw new Error('KUBEBUILDER_ASSETS is not set');
  const folder = await mkdtemp(join(tmpdir(), 'tokensync-control-plane-'));
  const [etcdPort = 0, peerPort = 0, port = 0, controllersPort = 0] = await freePorts(4);
  const authority = await createAuthority();
  const tls = await authority.issue(['127.0.0.1', '10.0.0.1', 'localhost']);
  const token = randomBytes(16).toString('hex');
  const url = `https://127.0.0.1:${port}`;
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const accounts = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const accountKey = await file('accounts.key', accounts.privateKey);
  const kubeconfig = await file(
    'kubeconfig',
    kubeconfigText({ server: url, ca: authority.ca, token, namespace: 'tokensync' }),
  );
  const auditLog = await file('audit.log', '');
  const apiFlags = [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${await file('api.crt', tls.cert)}`,
    `--tls-private-key-file=${await file('api.key', tls.key)}`,
    `--token-auth-file=${await file('tokens.csv', `${token},admin,admin,"system:masters"\n`)}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${await file('accounts.pub', accounts.publicKey)}`,
    `--service-account-signing-key-file=${accountKey}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    `--audit-policy-file=${await file('audit.json', JSON.stringify(POLICY))}`,
    `--audit-log-path=${auditLog}`,
    ...(options.flags ?? []),
  ];
  const part = (name: string, args: readonly string[]): Part =>
    new Part({ name, args, binary: join(ASSETS, name), log: join(folder, `${name}.log`) });
  let generation = 0;
  const startEtcd = async (): Promise<Part> => {
    const data = join(folder, `etcd-${++generation}`);
    await mkdir(data, { mode: 0o700 });
    return part('etcd', [
      `--data-dir=${data}`,
      '--unsafe-no-fsync',
      '--log-level=error',
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    ]);
  };
  const startApi = async (flags: readonly string[] = []): Promise<Part> => {
    const started = part('kube-apiserver', [...apiFlags, ...flags]);
    await isReady(started, url, token);
    return started;
  };
  let etcd = await startEtcd();
  let api: Part | undefined;
  let controllers: Part | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([controllers?.stop(), api?.stop(), etcd.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    api = await startApi();
    if (options.controllers === true) {
      controllers = part('kube-controller-manager', [
        `--kubeconfig=${kubeconfig}`,
        `--service-account-private-key-file=${accountKey}`,
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
        `--secure-port=${controllersPort}`,
      ]);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    ca: authority.ca,
    token,
    kubeconfig,
    etcd: etcdUrl,
    auditLog,
    folder,
    signal: async (name, signal) => (name === 'etcd' ? etcd : api)?.signal(signal),
    stopApi: async () => api?.stop(),
    startApi: async flags => {
      api = await startApi(flags);
    },
    startEmpty: async () => {
      await Promise.all([api?.stop(), etcd.stop()]);
      etcd = await startEtcd();
      api = await startApi();
    },
    stop,
  };
}

/** Ready: with its bootstrap roles, and the kinds that it serves. */
async function isReady(part: Part, url: string, token: string): Promise<void> {
  // A test may have given it a certificate of another CA.
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  let over = false;
  const late = AbortSignal.timeout(READY_MS);
  void part.ended.then(() => {
    over = true;
  });
  try {
    while (!over && !late.aborted) {
      const asked = request(`${url}/readyz`, {
        dispatcher: agent,
        headers: { authorization: `Bearer ${token}` },
        signal: late,
      });
      const ready = await asked.then(
        async ({ statusCode, body }) => {
          await body.dump();
          return statusCode === 200;
        },
        () => false,
      );
      if (ready) return;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  } finally {
    await agent.destroy();
  }
  throw new Error(`${part.name} did not come up; ${await part.said()}`);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  return Promise.all(
    servers.map(
      server =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            const port = typeof address === 'object' && address !== null ? address.port : 0;
            server.close(() => resolve(port));
          });
        }),
    ),
  );
}

/** A kubeconfig with one context, `main`. */
export function kubeconfigText(options: {
  server: string;
  ca: string;
  token: string;
  namespace: string;
}): string {
  const { server, ca, token, namespace } = options;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    clusters: [
      { name: 'main', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'main', user: { token } }],
    contexts: [{ name: 'main', context: { cluster: 'main', user: 'main', namespace } }],
  });
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** kubectl as a person would type it. Never throws for what kubectl refuses: the exit code tells. */
export function kubectl(
  kubeconfig: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<Ran> {
  const { input = '', timeoutMs = 30_000 } = options;
  return new Promise(resolve => {
    const child = execFile(
      join(ASSETS, 'kubectl'),
      [`--kubeconfig=${kubeconfig}`, `--request-timeout=${Math.ceil(timeoutMs / 1000)}s`, ...args],
      { timeout: timeoutMs + 5000, env: { HOME: '/nonexistent', PATH: process.env.PATH } },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}
