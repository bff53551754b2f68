import { type ObjectMeta, ObjectMeta as ObjectMetaSchema } from '../api/meta.ts';

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
    event = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isRecord(event) && typeof event.type === 'string'
    ? { type: event.type, object: event.object }
    : undefined;
}

/** Drops in place, from an object fresh from the wire, what nobody needs to hold. */
export function strip(object: unknown): void {
  if (!isRecord(object) || !isRecord(object.metadata)) return;
  delete object.metadata.managedFields;
  if (isRecord(object.metadata.annotations)) delete object.metadata.annotations[LAST_APPLIED];
}

export function metadataOf(object: unknown): ObjectMeta | undefined {
  const parsed = ObjectMetaSchema.safeParse(isRecord(object) ? object.metadata : undefined);
  return parsed.success ? parsed.data : undefined;
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
