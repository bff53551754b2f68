import type { JsonObject } from './apiserver/json.ts';
import type { Providers } from './providers/index.ts';

/** The seven flows, each with an account at its simulated provider, and what a team would apply for it. */

export const FLOWS = [
  'admintotal/api-key',
  'admintotal/jwt',
  'ventiapp/password',
  'sendfact/token',
  'firmeasy/login',
  'pgf/login',
  'pgf/login-token',
] as const;
export type FlowName = (typeof FLOWS)[number];

export interface Fixture {
  readonly flow: FlowName;
  readonly namespace: string;
  readonly name: string;
  /** What the provider calls the account. */
  readonly account: string;
  /** Values that must never be seen outside Secrets. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly source: JsonObject;
  readonly credential: JsonObject;
}

/**
 * @param index tells fixtures apart; accounts of one index are the same account.
 * @param suffix of secret values: a canary.
 */
export function fixture(
  flow: FlowName,
  index: number,
  providers: Providers,
  options: { namespace?: string; canary?: string } = {},
): Fixture {
  const { namespace = 'default', canary = `c4n4ry-${index}` } = options;
  const [provider = '', flowName = ''] = flow.split('/');
  const name = `${provider}-${flowName}-${index}`;
  const made = accountAt(flow, index, `${canary}/+ %ü`, providers);
  return {
    flow,
    namespace,
    name,
    account: made.account,
    secrets: made.inputs,
    source: secret(namespace, `${name}-login`, made.inputs),
    credential: {
      apiVersion: 'tokensync.dev/v1alpha1',
      kind: 'ProviderCredential',
      metadata: { name, namespace },
      spec: {
        providerRef: { name: provider },
        flow: flowName,
        ...(made.parameters === undefined ? {} : { parameters: made.parameters }),
        source: { secretRef: { name: `${name}-login` } },
        target: { name: `${name}-token` },
      },
    },
  };
}

export function secret(
  namespace: string,
  name: string,
  values: Readonly<Record<string, string>>,
): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'Opaque',
    stringData: { ...values },
  };
}

interface AccountAt {
  readonly account: string;
  readonly inputs: Record<string, string>;
  readonly parameters?: Record<string, string>;
}

function accountAt(flow: FlowName, index: number, secretPart: string, providers: Providers): AccountAt {
  const user = `user-${index}`;
  const password = `password-${secretPart}`;
  switch (flow) {
    case 'admintotal/api-key':
    case 'admintotal/jwt': {
      const account = `acme-${index}/${user}`;
      providers.admintotal.accounts.add(account, password);
      return { account, inputs: { username: user, password }, parameters: { clave: `acme-${index}` } };
    }
    case 'ventiapp/password': {
      const account = `${user}@example.com`;
      providers.ventiapp.accounts.add(account, password);
      return { account, inputs: { username: account, password } };
    }
    case 'sendfact/token':
      providers.sendfact.accounts.add(user, password);
      return { account: user, inputs: { username: user, password } };
    case 'firmeasy/login': {
      const account = `${user}@example.com`;
      const integration = `integration-${secretPart}`;
      providers.firmeasy.addUser(account, password, integration);
      return { account, inputs: { email: account, password, user_integration_token: integration } };
    }
    case 'pgf/login': {
      const account = `production/${user}`;
      providers.pgf.accounts.add(account, password);
      return { account, inputs: { username: user, password } };
    }
    case 'pgf/login-token': {
      const account = `production/token-of-${user}`;
      const token = `auth-token-${secretPart.replaceAll(/[^a-z0-9-]/g, '_')}`;
      providers.pgf.accounts.add(account, token);
      return { account, inputs: { auth_token: token } };
    }
  }
}
