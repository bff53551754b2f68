import type { ObjectMeta } from '../api/meta.ts';
import type { Reader } from './reader.ts';
import { metadataOf, soleVersion, versionOf } from './watch-event.ts';

/** Asks for metadata in place of the object, also in answer to a write. */
export const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** What is read of such an answer. */
export const Metadata: Reader<{ readonly metadata: ObjectMeta }> = {
  ofText: text => {
    const metadata = metadataOf(withoutManagedFields(text));
    return metadata && { metadata };
  },
  safeParse: value => {
    const metadata = metadataOf(value);
    return metadata === undefined ? NO_METADATA : { success: true, data: { metadata } };
  },
};

/** Of an answer to a write of which all else is known. */
export const Version: Reader<string> = {
  ofText: soleVersion,
  safeParse: value => {
    const version = versionOf(value);
    return version === '' ? NO_METADATA : { success: true, data: version };
  },
};

const NO_METADATA = { success: false, error: { issues: [{ path: ['metadata'] }] } } as const;

const MANAGED_FIELDS = ',"managedFields":[';

/** Something stands after them: within them are objects alone, and a quote in a text is escaped. */
const MORE = '],"';

/**
 * Metadata without their `managedFields`, which are most of them and stand last.
 * @returns undefined where they do not.
 */
function withoutManagedFields(text: string): unknown {
  const at = text.indexOf(MANAGED_FIELDS);
  if (
    at === -1 ||
    !/\]\}\}\s*$/.test(text.slice(-8)) ||
    text.includes(MORE, at) ||
    text.includes(MANAGED_FIELDS, at + 1)
  )
    return undefined;
  try {
    return JSON.parse(`${text.slice(0, at)}}}`);
  } catch {
    return undefined;
  }
}
