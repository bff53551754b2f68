import type { CredentialSpec } from '../api/credential.ts';
import { ANNOTATION, FORBIDDEN_SOURCE_TYPES, HELM_TYPE_PREFIX, MANAGED_LABEL } from '../api/names.ts';
import { decodeText, findSecret, type Secret } from '../kube/secret.ts';
import { newerVersion } from '../kube/version.ts';
import type { Account, Inputs, Result } from '../provider/types.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';

/** Which source the inputs come from, in words: tells an edited account from a changed value. */
export function sourceWords(spec: CredentialSpec, account: Account): string {
  return `${spec.source.secretRef.name}:${keysOf(spec, account)}`;
}

/**
 * The inputs of a login, from the source Secret: read once for each version of it, since the watch tells when it changed.
 * @throws KubeError when the API server cannot be asked.
 */
export async function readSource(
  namespace: string,
  spec: CredentialSpec,
  account: Account,
  memory: Memory,
  context: Context,
): Promise<Result<Inputs>> {
  const { name } = spec.source.secretRef;
  const meta = context.secrets.get(`${namespace}/${name}`);
  if (meta === undefined) return missing(name);
  const keys = keysOf(spec, account);
  const version = meta.metadata.resourceVersion;
  const known = memory.source;
  if (known?.name === name && known.keys === keys && known.version === version) return known.inputs;
  const secret = await findSecret(context.client, namespace, name, version);
  if (secret === undefined) return missing(name);
  const inputs = inputsOf(name, secret, spec, account);
  memory.source = { name, keys, version: secret.metadata.resourceVersion, inputs };
  return inputs;
}

/** Whether the watch still shows the version that the inputs were read from. */
export function sourceCurrent(namespace: string, memory: Memory, context: Context): boolean {
  const { source } = memory;
  if (source === undefined) return false;
  const version = context.secrets.get(`${namespace}/${source.name}`)?.metadata.resourceVersion;
  // Between a read and its event the watch still shows an older version: what was read is newer, and good.
  return version !== undefined && (version === source.version || newerVersion(source.version, version));
}

function keysOf(spec: CredentialSpec, account: Account): string {
  return account.flow.inputs
    .map(input => {
      const key = keyOf(spec, input);
      return key === input ? input : `${input}=${key}`;
    })
    .join(',');
}

function keyOf({ source: { keys } }: CredentialSpec, input: string): string {
  return (Object.hasOwn(keys, input) ? keys[input] : undefined) ?? input;
}

function inputsOf(name: string, secret: Secret, spec: CredentialSpec, account: Account): Result<Inputs> {
  const managed =
    secret.metadata.labels?.[MANAGED_LABEL] !== undefined ||
    secret.metadata.annotations?.[ANNOTATION.credential] !== undefined;
  if (managed || FORBIDDEN_SOURCE_TYPES.includes(secret.type) || secret.type.startsWith(HELM_TYPE_PREFIX)) {
    const what = managed ? 'it is managed by tokensync' : `its type is ${secret.type}`;
    return problem(
      'SourceForbidden',
      `spec.source.secretRef.name: Secret ${name} is never used as a source, since ${what}: put the login in an Opaque Secret of its own.`,
    );
  }
  const inputs: Record<string, string> = {};
  for (const input of account.flow.inputs) {
    const key = keyOf(spec, input);
    const encoded = Object.hasOwn(secret.data, key) ? secret.data[key] : undefined;
    if (encoded === undefined || encoded === '') {
      return problem(
        'SourceKeyMissing',
        `Secret ${name} ${encoded === undefined ? 'has no key' : 'has an empty key'} ${key}, which flow ${account.flow.name} needs for ${input}: add it, or say in spec.source.keys which key holds it.`,
      );
    }
    const text = decodeText(encoded);
    if (text === undefined) {
      return problem('SourceValueInvalid', `Secret ${name}, key ${key}: the value is not UTF-8 text.`);
    }
    inputs[input] = text;
  }
  return { ok: true, value: inputs };
}

function missing(name: string): Result<Inputs> {
  return problem(
    'SourceMissing',
    `spec.source.secretRef.name: there is no Secret ${name} in this namespace (yet).`,
  );
}

function problem(
  reason: 'SourceMissing' | 'SourceKeyMissing' | 'SourceForbidden' | 'SourceValueInvalid',
  message: string,
): Result<Inputs> {
  return { ok: false, problem: { reason, message } };
}
