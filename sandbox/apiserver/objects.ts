import type { Clock, Random } from '../../src/loop/clock.ts';
import { DEFINITIONS, NAMESPACES } from './core-kinds.ts';
import { kindOf, servedStatus } from './definitions.ts';
import {
  ApiError,
  alreadyExists,
  badRequest,
  type Cause,
  cause,
  conflict,
  forbidden,
  invalid,
  notFound,
} from './errors.ts';
import {
  equal,
  isObject,
  type JsonObject,
  type KubeObject,
  type ManagedEntry,
  type Meta,
  objectOr,
  textOr,
} from './json.ts';
import type { Kind } from './kind.ts';
import { applyObject, ownChanges, readEntries, type Writer } from './managed.ts';
import { metaMistakes, nameMistakes } from './metadata.ts';
import { normalise } from './schema.ts';
import { keyFor, type Store, Version } from './store.ts';
import { blocksRules } from './validate.ts';

/** Every write's way: whose object, is it still that one, what is it then, is that valid, who owns which field, and into the store. */

export interface WriteOptions {
  readonly manager: string;
  readonly dryRun: boolean;
  readonly validation: 'Ignore' | 'Warn' | 'Strict';
}

export interface Written {
  readonly version: Version;
  readonly created: boolean;
  readonly unknown: readonly string[];
}

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

type Subresource = '' | 'status';

/** Where names are generated from: what cannot be misread or spell a word. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export class Objects {
  readonly store: Store;
  private readonly clock: Clock;
  private readonly random: Random;

  constructor(store: Store, clock: Clock, random: Random) {
    this.store = store;
    this.clock = clock;
    this.random = random;
  }

  now(): string {
    return `${new Date(this.clock.wall()).toISOString().slice(0, 19)}Z`;
  }

  find(kind: Kind, namespace: string | undefined, name: string): Version {
    const version = this.store.get(kind.table, keyFor(namespace, name));
    if (version === undefined) throw notFound(kind, name);
    return version;
  }

  create(kind: Kind, namespace: string | undefined, body: JsonObject, options: WriteOptions): Written {
    checkType(kind, body);
    const meta = objectOr(body.metadata);
    if (textOr(meta.resourceVersion) !== '') {
      throw new ApiError(500, '', 'resourceVersion should not be set on objects to be created');
    }
    const name = textOr(meta.name) || this.generateName(textOr(meta.generateName));
    return this.insert(kind, namespace, name, body, options, undefined);
  }

  private generateName(prefix: string): string {
    if (prefix === '') return '';
    const letter = (): string => ALPHABET.charAt(Math.floor(this.random.next() * ALPHABET.length));
    return prefix + Array.from({ length: 5 }, letter).join('');
  }

  private insert(
    kind: Kind,
    namespace: string | undefined,
    name: string,
    body: JsonObject,
    options: WriteOptions,
    entries: ManagedEntry[] | undefined,
  ): Written {
    const given = objectOr(body.metadata);
    if (namespace !== undefined && textOr(given.namespace, namespace) !== namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
    if (namespace !== undefined) this.checkNamespace(kind, namespace, name);
    const key = keyFor(namespace, name);
    if (this.store.get(kind.table, key) !== undefined) throw alreadyExists(kind, name);
    const {
      selfLink: _,
      deletionTimestamp: __,
      deletionGracePeriodSeconds: ___,
      managedFields: ____,
      ...kept
    } = given;
    const metadata: Meta = {
      ...kept,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: this.newUid(),
      resourceVersion: '',
      creationTimestamp: this.now(),
    };
    delete metadata.generation;
    if (kind.custom || kind === DEFINITIONS) metadata.generation = 1;
    const draft: KubeObject = { ...body, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
    if (kind.statusSubresource) delete draft.status;
    const { object, unknown } = this.settle(kind, draft, undefined, options);
    const writer: Writer = { manager: options.manager, subresource: '', now: this.now() };
    setEntries(object, entries ?? ownChanges(kind, undefined, object, [], writer));
    const version = options.dryRun ? unsaved(object) : this.store.put(kind.table, key, object);
    return { version, created: true, unknown };
  }

  private checkNamespace(kind: Kind, namespace: string, name: string): void {
    const found = this.store.get(NAMESPACES.table, keyFor(undefined, namespace));
    if (found === undefined) throw notFound(NAMESPACES, namespace);
    if (found.object.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    const error = forbidden(kind, name, why);
    throw new ApiError(403, 'Forbidden', error.message, {
      ...error.details,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    });
  }

  private newUid(): string {
    const hex = (length: number): string => {
      let text = '';
      while (text.length < length) text += Math.floor(this.random.next() * 16).toString(16);
      return text;
    };
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
  }

  /** A PUT, or the outcome of a patch. A patch may leave out what a PUT must say. */
  update(
    kind: Kind,
    old: Version,
    body: JsonObject,
    subresource: Subresource,
    patch: boolean,
    options: WriteOptions,
  ): Written {
    checkType(kind, body);
    const was = old.object.metadata;
    const given = objectOr(body.metadata);
    checkName(was, given);
    const rv = textOr(given.resourceVersion);
    if (rv === '' && !patch && !kind.unconditionalUpdate) {
      const missing = cause.value('metadata.resourceVersion', 0, 'must be specified for an update');
      throw invalid({ ...kind, kind: kind.plural }, was.name, [missing]);
    }
    const uid = textOr(given.uid, was.uid) || was.uid;
    if (uid !== was.uid && !patch) {
      throw conflict(
        kind,
        was.name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${was.uid}`,
      );
    }
    if (rv !== '' && rv !== was.resourceVersion) throw conflict(kind, was.name);
    if (uid !== was.uid && subresource === '') throw immutableUid(kind, was.name, uid);

    const sent = given.managedFields === was.managedFields ? undefined : readEntries(given.managedFields);
    const draft =
      subresource === 'status' ? withStatus(old.object, body) : withoutStatus(kind, old.object, body, given);
    const { object, unknown } = this.settle(kind, draft, old.object, options);
    const writer: Writer = { manager: options.manager, subresource, now: this.now() };
    const entries = sent ?? was.managedFields ?? [];
    setEntries(object, ownChanges(kind, old.object, object, entries, writer));
    return { version: this.save(kind, old, object, options.dryRun), created: false, unknown };
  }

  apply(
    kind: Kind,
    namespace: string | undefined,
    name: string,
    body: JsonObject,
    subresource: Subresource,
    force: boolean,
    options: WriteOptions,
  ): Written {
    checkType(kind, body);
    const given = objectOr(body.metadata);
    checkName({ name }, given);
    if (given.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
    const undeclared: string[] = [];
    normalise(body, undefined, kind.schema, undeclared);
    if (undeclared.length > 0) {
      const what = `(${namespace ?? ''}/${name}; ${kind.apiVersion}, Kind=${kind.kind})`;
      const why = `.${undeclared[0]}: field not declared in schema`;
      throw new ApiError(500, '', `failed to create typed patch object ${what}: ${why}`);
    }
    const uid = textOr(given.uid);
    const writer: Writer = { manager: options.manager, subresource, now: this.now() };
    const old = this.store.get(kind.table, keyFor(namespace, name));
    if (old === undefined) {
      if (subresource !== '') throw notFound(kind, name);
      if (uid !== '') {
        const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
        throw conflict(kind, name, why);
      }
      const metadata: Meta = { name, uid: '', resourceVersion: '', creationTimestamp: '' };
      const empty: KubeObject = { apiVersion: kind.apiVersion, kind: kind.kind, metadata };
      const applied = applyObject(kind, empty, body, force, writer);
      return this.insert(kind, namespace, name, applied, options, applied.metadata.managedFields ?? []);
    }
    const was = old.object.metadata;
    const rv = textOr(given.resourceVersion);
    if (rv !== '' && rv !== was.resourceVersion) throw conflict(kind, name);
    if (uid !== '' && uid !== was.uid && subresource === '') throw immutableUid(kind, name, uid);
    const applied = applyObject(kind, old.object, body, force, writer);
    const { object } = this.settle(kind, applied, old.object, options);
    setEntries(object, applied.metadata.managedFields ?? []);
    return { version: this.save(kind, old, object, options.dryRun), created: false, unknown: [] };
  }

  /** The object as it would be stored, or a 422 that names each mistake. Its metadata is a copy that may be finished. */
  private settle(
    kind: Kind,
    draft: KubeObject,
    old: KubeObject | undefined,
    { validation }: WriteOptions,
  ): { object: KubeObject; unknown: string[] } {
    const unknown: string[] = [];
    // The schema of metadata, checked below, is what makes this a KubeObject.
    const normal = normalise(draft, old, kind.schema, unknown) as KubeObject;
    if (validation === 'Strict' && unknown.length > 0) {
      const list = unknown.map(field => `unknown field "${field}"`).join(', ');
      const what = `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}`;
      throw badRequest(`${what}: strict decoding error: ${list}`);
    }
    const causes: Cause[] = [];
    for (const field of kind.schema.required ?? []) {
      if (normal[field] === undefined) causes.push(cause.required(field));
    }
    for (const [field, check] of kind.validators) {
      const value = normal[field];
      if (value !== undefined && value !== old?.[field]) causes.push(...check(value, field));
    }
    const { name } = draft.metadata;
    if (blocksRules(causes)) throw invalid(kind, name, kind.custom ? [...causes, UNCHECKED] : causes);
    const admitted = kind.admit(normal, old);
    causes.push(...admitted.causes, ...kind.rules(admitted.object, old, ''));
    if (old === undefined) causes.push(...nameMistakes(draft.metadata, kind === NAMESPACES));
    causes.push(...metaMistakes(admitted.object.metadata, old?.metadata));
    if (causes.length > 0) throw invalid(kind, name, causes);
    const object: KubeObject = { ...admitted.object, metadata: { ...admitted.object.metadata } };
    if (old !== undefined && specChanged(kind, object, old)) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    if (kind === DEFINITIONS) {
      const served = kindOf(object);
      if (!isObject(object.status)) object.status = servedStatus(served, this.now());
    }
    return { object, unknown };
  }

  private save(kind: Kind, old: Version, object: KubeObject, dryRun: boolean): Version {
    if (equal(object, old.object)) return old;
    if (dryRun) return unsaved(object);
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    const { name, namespace } = object.metadata;
    const key = keyFor(namespace, name);
    if (deletionTimestamp !== undefined && finalizers.length === 0 && kind !== NAMESPACES) {
      this.store.remove(kind.table, key, object);
      return unsaved(object);
    }
    return this.store.put(kind.table, key, object);
  }

  /** Deletes, or marks as to be deleted where finalizers (or a namespace's contents) hold it. Tells whether it is gone. */
  remove(
    kind: Kind,
    version: Version,
    { dryRun, uid, resourceVersion }: DeleteOptions,
  ): { gone: boolean; version: Version } {
    const { object } = version;
    const meta = object.metadata;
    const precondition = (what: string, wanted: string, is: string, hint: string): ApiError =>
      conflict(
        { ...kind, plural: kind.kind },
        meta.name,
        `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${is}). The object might have been ${hint}`,
      );
    if (uid !== undefined && uid !== meta.uid)
      throw precondition('UID', uid, meta.uid, 'deleted and then recreated');
    if (resourceVersion !== undefined && resourceVersion !== meta.resourceVersion) {
      throw precondition('ResourceVersion', resourceVersion, meta.resourceVersion, 'modified');
    }
    const key = keyFor(meta.namespace, meta.name);
    const held = (meta.finalizers ?? []).length > 0 || kind === NAMESPACES;
    if (!held) {
      if (!dryRun) this.store.remove(kind.table, key);
      return { gone: true, version };
    }
    if (meta.deletionTimestamp !== undefined) return { gone: false, version };
    const metadata: Meta = { ...meta, deletionTimestamp: this.now() };
    if (kind !== NAMESPACES) metadata.deletionGracePeriodSeconds = 0;
    if (meta.generation !== undefined) metadata.generation = meta.generation + 1;
    const marked: KubeObject = { ...object, metadata };
    if (kind === NAMESPACES) marked.status = { phase: 'Terminating' };
    return { gone: false, version: dryRun ? unsaved(marked) : this.store.put(kind.table, key, marked) };
  }
}

function setEntries(object: KubeObject, entries: ManagedEntry[]): void {
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

const unsaved = (object: KubeObject): Version => new Version(object, 0);

const UNCHECKED: Cause = {
  reason: 'FieldValueInvalid',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  field: '<nil>',
};

function checkType(kind: Kind, body: JsonObject): void {
  const version = textOr(body.apiVersion, kind.apiVersion);
  if (version !== kind.apiVersion && version !== '') {
    throw badRequest(
      `the API version in the data (${version}) does not match the expected API version (${kind.apiVersion})`,
    );
  }
  const name = textOr(body.kind, kind.kind);
  if (name !== kind.kind && name !== '') {
    throw badRequest(`${name} in version "${kind.version}" cannot be handled as a ${kind.kind}`);
  }
}

function checkName(was: { name: string }, given: JsonObject): void {
  const name = textOr(given.name, was.name);
  if (name === was.name) return;
  throw badRequest(`the name of the object (${name}) does not match the name on the URL (${was.name})`);
}

const immutableUid = (kind: Kind, name: string, uid: string): ApiError =>
  invalid(kind, name, [cause.value('metadata.uid', uid, 'field is immutable')]);

function withStatus(old: KubeObject, body: JsonObject): KubeObject {
  const object: KubeObject = { ...old };
  if (body.status === undefined) delete object.status;
  else object.status = body.status;
  return object;
}

/** What clients may not change stays as it was. */
const FIXED_META = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
] as const;

function withoutStatus(kind: Kind, old: KubeObject, body: JsonObject, given: JsonObject): KubeObject {
  const { name, namespace, resourceVersion, managedFields } = old.metadata;
  const metadata: Meta = {
    ...given,
    name,
    resourceVersion,
    uid: old.metadata.uid,
    creationTimestamp: old.metadata.creationTimestamp,
  };
  if (namespace !== undefined) metadata.namespace = namespace;
  if (managedFields !== undefined) metadata.managedFields = managedFields;
  for (const field of FIXED_META) {
    if (old.metadata[field] === undefined) delete metadata[field];
    else Object.assign(metadata, { [field]: old.metadata[field] });
  }
  const object: KubeObject = { ...body, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
  if (!kind.statusSubresource) return object;
  if (old.status === undefined) delete object.status;
  else object.status = old.status;
  return object;
}

/** Generations count changes of what is wanted: everything but metadata and, where it has its own path, status. */
function specChanged(kind: Kind, next: KubeObject, old: KubeObject): boolean {
  if (old.metadata.generation === undefined) return false;
  const ignored = kind.statusSubresource ? ['metadata', 'status'] : ['metadata'];
  return [...new Set([...Object.keys(next), ...Object.keys(old)])].some(
    key => !ignored.includes(key) && !equal(next[key], old[key]),
  );
}
