import type { Clock, Random } from '../../src/loop/clock.ts';
import { DEFINITIONS, NAMESPACES } from './core-kinds.ts';
import { checkName, checkType, immutableUid, setEntries, withoutStatus, withStatus } from './drafts.ts';
import {
  ApiError,
  alreadyExists,
  badRequest,
  cause,
  conflict,
  forbidden,
  invalid,
  notFound,
} from './errors.ts';
import {
  equal,
  type JsonObject,
  type KubeObject,
  type ManagedEntry,
  type Meta,
  objectOr,
  textOr,
} from './json.ts';
import type { Kind } from './kind.ts';
import { applyObject, ownChanges, readEntries, type Writer } from './managed.ts';
import { normalise } from './schema.ts';
import { settle, type Validation } from './settle.ts';
import { keyFor, type Store, Version } from './store.ts';

/** Every write's way: whose object, is it still that one, what is it then, is that valid, who owns which field, and into the store. */

export interface WriteOptions {
  readonly manager: string;
  readonly dryRun: boolean;
  readonly validation: Validation;
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

/** What an apply is meant for; it may not be there yet. */
export interface Target {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource: Subresource;
}

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

  private lastNow = { second: Number.NaN, text: '' };
  /** RFC 3339, whole seconds. */
  now(): string {
    const second = Math.floor(this.clock.wall() / 1000);
    if (second !== this.lastNow.second) {
      this.lastNow = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` };
    }
    return this.lastNow.text;
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
    const { object, unknown } = settle(kind, draft, undefined, options.validation, this.now());
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
    const { object, unknown } = settle(kind, draft, old.object, options.validation, this.now());
    const writer: Writer = { manager: options.manager, subresource, now: this.now() };
    const entries = sent ?? was.managedFields ?? [];
    setEntries(object, ownChanges(kind, old.object, object, entries, writer));
    return { version: this.save(kind, old, object, options.dryRun), created: false, unknown };
  }

  apply(target: Target, body: JsonObject, force: boolean, options: WriteOptions): Written {
    const { kind, namespace, name, subresource } = target;
    checkType(kind, body);
    const given = objectOr(body.metadata);
    checkName({ name }, given);
    if (given.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
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
      const undeclared: string[] = [];
      normalise(applied, undefined, kind.schema, undeclared);
      refuseUndeclared(target, undeclared);
      return this.insert(kind, namespace, name, applied, options, applied.metadata.managedFields ?? []);
    }
    const was = old.object.metadata;
    const rv = textOr(given.resourceVersion);
    if (rv !== '' && rv !== was.resourceVersion) throw conflict(kind, name);
    if (uid !== '' && uid !== was.uid && subresource === '') throw immutableUid(kind, name, uid);
    const applied = applyObject(kind, old.object, body, force, writer);
    const { object, unknown } = settle(kind, applied, old.object, 'Ignore', this.now());
    refuseUndeclared(target, unknown);
    setEntries(object, applied.metadata.managedFields ?? []);
    return { version: this.save(kind, old, object, options.dryRun), created: false, unknown: [] };
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

function refuseUndeclared({ kind, namespace, name }: Target, [first]: readonly string[]): void {
  if (first === undefined) return;
  const what = `(${namespace ?? ''}/${name}; ${kind.apiVersion}, Kind=${kind.kind})`;
  const why = `.${first}: field not declared in schema`;
  throw new ApiError(500, '', `failed to create typed patch object ${what}: ${why}`);
}

const unsaved = (object: KubeObject): Version => new Version(object, 0);
