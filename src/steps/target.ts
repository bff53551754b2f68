import type { CredentialSpec } from '../api/credential.ts';
import type { ObjectMeta } from '../api/meta.ts';
import type { Held } from '../held.ts';
import { decodeText, findSecret, type Secret } from '../kube/secret.ts';
import { sessionName } from '../kube/session.ts';
import {
  dataIntact,
  hasRendering,
  hasShape,
  heldOf,
  type Owner,
  type OwnerIdentity,
  ownerOf,
} from '../kube/target.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';
import type { Plan } from './planned.ts';

/** A Secret that holds, held or shall hold the token. */
export interface Target {
  readonly name: string;
  readonly metadata: ObjectMeta | undefined;
  readonly owner: Owner | undefined;
  readonly held: Held | undefined;
  readonly data: 'absent' | 'intact' | 'edited';
  /** Its labels, annotations, templates, type and owner are as the spec says. */
  readonly shaped: boolean;
  /** Its data have the form that the spec gives them, whatever stands around them. */
  readonly rendered: boolean;
}

export function targetName(identity: OwnerIdentity, spec: CredentialSpec): string {
  return spec.target.name ?? identity.name;
}

/**
 * Secrets of ours besides the target and the session: where the token stood before. Status names the last one alone,
 * and a crash and another new name leave more.
 */
export function formerSecrets(identity: OwnerIdentity, target: string, context: Context): ObjectMeta[] {
  const { namespace, name } = identity;
  const session = sessionName(name);
  const found: ObjectMeta[] = [];
  for (const key of context.secrets.byIndex('credential', `${namespace}/${name}`)) {
    const metadata = context.secrets.get(key)?.metadata;
    if (metadata === undefined || metadata.name === target || metadata.name === session) continue;
    if (metadata.namespace === namespace && ownerOf(metadata, identity) === 'ours') found.push(metadata);
  }
  return found;
}

/**
 * Looks at a target. Its data are read only where the watch shows a version that we neither wrote nor read before.
 * @throws KubeError when the API server cannot be asked.
 */
export async function readTarget(
  identity: OwnerIdentity,
  name: string,
  plan: Plan | undefined,
  memory: Memory,
  context: Context,
): Promise<Target> {
  const seen = context.secrets.get(`${identity.namespace}/${name}`);
  if (seen === undefined) return absent(name);
  const { metadata, elsewhere } = seen;
  // Of another replica's credential, or of a former one of our name: what is kept of it does not tell.
  if (elsewhere === undefined) {
    const owner = ownerOf(metadata, identity);
    if (owner === 'foreign') return foreign(name, metadata);
    const known = memory.target;
    if (known?.name === name && known.version === metadata.resourceVersion) {
      return found(name, metadata, owner, known.intact, plan);
    }
  }
  const secret = await findSecret(context.client, identity.namespace, name, metadata.resourceVersion);
  if (secret === undefined) return absent(name);
  const owner = ownerOf(secret.metadata, identity);
  if (elsewhere !== undefined && owner === 'foreign') return foreign(name, secret.metadata);
  const values = decoded(secret);
  const digest = (text: string): string => context.digester.ofText(identity.uid, text);
  const intact = dataIntact(secret.metadata, values, digest, text => context.digester.comparable(text));
  memory.target = { name, version: secret.metadata.resourceVersion, intact };
  if (intact) recall(secret.metadata, values, plan, memory);
  return found(name, secret.metadata, owner, intact, plan);
}

function foreign(name: string, metadata: ObjectMeta): Target {
  return {
    name,
    metadata,
    owner: 'foreign',
    held: undefined,
    data: 'edited',
    shaped: false,
    rendered: false,
  };
}

function absent(name: string): Target {
  return {
    name,
    metadata: undefined,
    owner: undefined,
    held: undefined,
    data: 'absent',
    shaped: false,
    rendered: false,
  };
}

function found(
  name: string,
  metadata: ObjectMeta,
  owner: Owner,
  intact: boolean,
  plan: Plan | undefined,
): Target {
  return {
    name,
    metadata,
    owner,
    held: owner === 'foreign' ? undefined : heldOf(metadata),
    data: intact ? 'intact' : 'edited',
    shaped: plan === undefined || hasShape(metadata, plan.shape, owner),
    rendered: plan !== undefined && hasRendering(metadata, plan.shape),
  };
}

function decoded(secret: Secret): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(secret.data).map(([key, value]) => [key, decodeText(value)]));
}

/** The default keys hold all of an answer: after a restart a repair or a new template then needs no login. */
function recall(
  metadata: ObjectMeta,
  values: Record<string, string | undefined>,
  plan: Plan | undefined,
  memory: Memory,
): void {
  const held = heldOf(metadata);
  if (held === undefined || plan === undefined) return;
  // Of two Secrets of ours (moved and moved back) the later token counts.
  if (memory.token !== undefined && memory.token.held.issuedAt >= held.issuedAt) return;
  if (held.account !== plan.accountDigest || values.header_value === undefined || !values.token) return;
  const outputs: Record<string, string> = {};
  for (const name of plan.account.flow.outputs) {
    const value = values[name];
    if (value === undefined) return;
    outputs[name] = value;
  }
  const tokenType = values.token_type;
  memory.token = {
    held,
    token: { token: values.token, ...(tokenType === undefined ? {} : { tokenType }), outputs },
  };
}
