import { type ObjectMeta, readObjectMeta } from '../api/meta.ts';
import { cutManagedFields } from './managed-fields.ts';

/** The server's own bookkeeping: large, of no use to us, and the last-applied copy may hold what was since removed. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** @returns undefined for what is no event. */
export function parseEvent(line: string): WatchEvent | undefined {
  let event: unknown;
  try {
    event = JSON.parse(cutManagedFields(line));
  } catch {
    return undefined;
  }
  return isRecord(event) && typeof event.type === 'string'
    ? { type: event.type, object: event.object }
    : undefined;
}

const CHANGES = ['{"type":"MODIFIED",', '{"type":"ADDED",'];
const VERSION_KEY = '"resourceVersion":"';

/** The version that a change made, told without parsing it. @returns undefined where it takes a closer look. */
export function versionAtOnce(line: string): string | undefined {
  return CHANGES.some(change => line.startsWith(change)) ? soleVersion(line) : undefined;
}

/**
 * The version of an object as JSON: where the key stands but once (a quote within a text is escaped), it is that of the
 * metadata, which always have one.
 */
export function soleVersion(text: string): string | undefined {
  const at = text.indexOf(VERSION_KEY) + VERSION_KEY.length;
  if (at < VERSION_KEY.length || text.includes(VERSION_KEY, at)) return undefined;
  return text.slice(at, text.indexOf('"', at));
}

/** Drops in place, from an object fresh from the wire, what nobody needs to hold. */
export function strip(object: unknown): void {
  if (!isRecord(object) || !isRecord(object.metadata)) return;
  delete object.metadata.managedFields;
  if (isRecord(object.metadata.annotations)) delete object.metadata.annotations[LAST_APPLIED];
}

export function metadataOf(object: unknown): ObjectMeta | undefined {
  return isRecord(object) ? readObjectMeta(object.metadata) : undefined;
}

type Identity = Pick<ObjectMeta, 'name' | 'namespace' | 'resourceVersion'>;

/** Which version of which object this is, without a look at anything else; undefined where that isn't told. */
export function identityOf(object: unknown): Identity | undefined {
  if (!isRecord(object) || !isRecord(object.metadata)) return undefined;
  const { name, namespace, resourceVersion } = object.metadata;
  if (typeof name !== 'string' || typeof resourceVersion !== 'string') return undefined;
  return { name, resourceVersion, ...(typeof namespace === 'string' ? { namespace } : {}) };
}

/** @returns '' where there is none. */
export function uidOf(object: unknown): string {
  const uid = isRecord(object) && isRecord(object.metadata) ? object.metadata.uid : undefined;
  return typeof uid === 'string' ? uid : '';
}

/** @returns '' where there is none. */
export function versionOf(object: unknown): string {
  const version = isRecord(object) && isRecord(object.metadata) ? object.metadata.resourceVersion : undefined;
  return typeof version === 'string' ? version : '';
}

/** Whether a bookmark closes the initial events of a streamed list. */
export function endsInitialEvents(object: unknown): boolean {
  return (
    isRecord(object) &&
    isRecord(object.metadata) &&
    isRecord(object.metadata.annotations) &&
    object.metadata.annotations[INITIAL_EVENTS_END] === 'true'
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
