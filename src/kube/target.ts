import { createHash } from 'node:crypto';
import type { CredentialSpec } from '../api/credential.ts';
import { instant } from '../api/instant.ts';
import type { ObjectMeta } from '../api/meta.ts';
import { ANNOTATION, API_VERSION, CREDENTIAL_KIND, GROUP, MANAGED_LABEL } from '../api/names.ts';
import type { Held } from '../held.ts';
import { encodeData } from './secret.ts';

/** The target Secret as an object: what it should be, and what stands beside its data. Pure. */

/** Whose a Secret is. `adoptable`: it names this credential, and no living controller owns it. */
export type Owner = 'ours' | 'adoptable' | 'foreign';

export interface OwnerIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function ownerOf(metadata: ObjectMeta, credential: OwnerIdentity): Owner {
  const controller = metadata.ownerReferences?.find(reference => reference.controller === true);
  if (controller?.uid === credential.uid) return 'ours';
  const named =
    metadata.annotations?.[ANNOTATION.credential] === `${credential.namespace}/${credential.name}`;
  if (!named) return 'foreign';
  if (controller === undefined) return 'adoptable';
  // Two objects of one name cannot live: a controller of our name with another UID is gone (a restored backup).
  const wasUs =
    controller.kind === CREDENTIAL_KIND &&
    controller.apiVersion.startsWith(`${GROUP}/`) &&
    controller.name === credential.name;
  return wasUs ? 'adoptable' : 'foreign';
}

/** Reads the record beside the data; undefined when it is missing or unreadable. */
export function heldOf(metadata: ObjectMeta): Held | undefined {
  const at = (name: keyof typeof ANNOTATION): string | undefined => metadata.annotations?.[ANNOTATION[name]];
  const [account, inputs, source, grant] = [at('account'), at('inputs'), at('source'), at('grant')];
  const issuedAt = timeOf(at('issuedAt'));
  if (account === undefined || inputs === undefined || issuedAt === undefined) return undefined;
  if (grant !== 'Login' && grant !== 'Refresh') return undefined;
  const expires = at('expiresAt');
  const expiresAt = timeOf(expires);
  if (expires !== undefined && expiresAt === undefined) return undefined;
  const renewNotBefore = timeOf(at('renewNotBefore'));
  return {
    account,
    inputs,
    source: source ?? '',
    issuedAt,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(renewNotBefore === undefined ? {} : { renewNotBefore }),
    grant,
    grants: countOf(at('grants')) ?? 1,
    sessionSequence: countOf(at('sessionSequence')) ?? 0,
  };
}

/** Made for the digest, and again for the Secret. */
const records = new WeakMap<Held, Readonly<Record<string, string>>>();

function heldAnnotations(held: Held): Readonly<Record<string, string>> {
  const known = records.get(held);
  if (known !== undefined) return known;
  const record = recordOf(held);
  records.set(held, record);
  return record;
}

/** Sorted by name, as {@link recordText} needs them. */
function recordOf(held: Held): Record<string, string> {
  const record: Record<string, string> = { [ANNOTATION.account]: held.account };
  if (held.expiresAt !== undefined) record[ANNOTATION.expiresAt] = instant(held.expiresAt);
  record[ANNOTATION.grant] = held.grant;
  record[ANNOTATION.grants] = String(held.grants);
  record[ANNOTATION.inputs] = held.inputs;
  record[ANNOTATION.issuedAt] = instant(held.issuedAt);
  if (held.renewNotBefore !== undefined) record[ANNOTATION.renewNotBefore] = instant(held.renewNotBefore);
  record[ANNOTATION.sessionSequence] = String(held.sessionSequence);
  record[ANNOTATION.source] = held.source;
  return record;
}

/** Canonical JSON, made in one go: nothing here has keys to be sorted. */
function recordText(
  held: Held,
  keys: readonly string[],
  data: Readonly<Record<string, string | undefined>>,
): string {
  return JSON.stringify([heldAnnotations(held), keys.map(key => [key, data[key] ?? null])]);
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** What the Secret should look like apart from the token's value. */
export interface Shape {
  readonly type: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly retained: boolean;
  /** Digest of what shapes the data: type, templates, usage, outputs. */
  readonly rendering: string;
  /** Digest of what stands around them: labels, annotations, owner. */
  readonly frame: string;
}

/** @param rendering what else shapes the data: the provider's usage and outputs. */
export function shapeOf(target: CredentialSpec['target'], rendering: unknown): Shape {
  const labels = target.labels ?? {};
  const annotations = target.annotations ?? {};
  const retained = target.deletionPolicy === 'Retain';
  return {
    type: target.type,
    labels,
    annotations,
    retained,
    rendering: shortDigest([target.type, sorted(target.data ?? {}), rendering]),
    frame: shortDigest([sorted(labels), sorted(annotations), retained]),
  };
}

function shortDigest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);
}

const sorted = (map: Readonly<Record<string, string>>): [string, string][] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

/** Whether metadata is as we would write it: our mark, the spec's labels and annotations, the owner. */
export function hasShape(metadata: ObjectMeta, shape: Shape, owner: Owner): boolean {
  const { labels = {}, annotations = {} } = metadata;
  return (
    annotations[SHAPE] === shapeWords(shape) &&
    labels[MANAGED_LABEL] === 'true' &&
    Object.entries(shape.labels).every(([key, value]) => labels[key] === value) &&
    Object.entries(shape.annotations).every(([key, value]) => annotations[key] === value) &&
    (owner === 'ours') === !shape.retained
  );
}

export const SHAPE = `${GROUP}/shape`;

const shapeWords = ({ frame, rendering }: Shape): string => `${frame}.${rendering}`;

/** Whether the data have the form that we would give them; what stands around them may differ. */
export function hasRendering(metadata: ObjectMeta, shape: Shape): boolean {
  return metadata.annotations?.[SHAPE]?.endsWith(`.${shape.rendering}`) === true;
}

/**
 * `digest;key,key`: a keyed digest over the record and the data that we wrote, and which keys those are.
 * Others' keys are theirs.
 */
export function dataHash(
  held: Held,
  data: Readonly<Record<string, string>>,
  digest: (canonical: string) => string,
): string {
  const keys = Object.keys(data).sort();
  return `${digest(recordText(held, keys, data))};${keys.join(',')}`;
}

/** The keys that {@link dataHash} speaks of. */
export function writtenKeys(recorded: string): string[] {
  return recorded.slice(recorded.indexOf(';') + 1).split(',');
}

/** Whether the record and our keys still hold what we wrote. @param data decoded values. */
export function dataIntact(
  metadata: ObjectMeta,
  data: Readonly<Record<string, string | undefined>>,
  digest: (canonical: string) => string,
  comparable: (digest: string) => boolean,
): boolean {
  const held = heldOf(metadata);
  const recorded = metadata.annotations?.[ANNOTATION.dataHash];
  const cut = recorded?.indexOf(';') ?? -1;
  if (held === undefined || recorded === undefined || cut < 0) return false;
  const keys = writtenKeys(recorded);
  if (!comparable(recorded.slice(0, cut))) return keys.every(key => data[key] !== undefined);
  return digest(recordText(held, keys, data)) === recorded.slice(0, cut);
}

export interface Desired {
  readonly credential: OwnerIdentity;
  readonly name: string;
  readonly shape: Shape;
  readonly held: Held;
  /** Key to text. **Secret.** */
  readonly data: Readonly<Record<string, string>>;
  readonly dataHash: string;
}

/** What was decided on: the object with this uid at this version, or none at all. */
export type Precondition = { readonly uid: string; readonly resourceVersion: string } | 'absent';

/**
 * The body of a server-side apply. A uid and a resourceVersion are its preconditions.
 * To create and nothing else it carries a version that no object has: then whatever stands there is a conflict.
 */
export function desiredSecret(desired: Desired, precondition: Precondition): Record<string, unknown> {
  const { credential, shape, held } = desired;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: desired.name,
      namespace: credential.namespace,
      ...preconditionFields(precondition),
      labels: { ...shape.labels, [MANAGED_LABEL]: 'true' },
      annotations: {
        ...shape.annotations,
        [ANNOTATION.credential]: `${credential.namespace}/${credential.name}`,
        [ANNOTATION.dataHash]: desired.dataHash,
        [SHAPE]: shapeWords(shape),
        ...heldAnnotations(held),
      },
      ...(shape.retained ? {} : { ownerReferences: [ownerReference(credential)] }),
    },
    type: shape.type,
    data: encodeData(desired.data),
  };
}

export function preconditionFields(precondition: Precondition): { uid?: string; resourceVersion: string } {
  return precondition === 'absent' ? { resourceVersion: '1' } : precondition;
}

export function ownerReference(credential: OwnerIdentity): Record<string, unknown> {
  return {
    apiVersion: API_VERSION,
    kind: CREDENTIAL_KIND,
    name: credential.name,
    uid: credential.uid,
    controller: true,
    blockOwnerDeletion: false,
  };
}
