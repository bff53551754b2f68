import type { ObjectMeta } from '../api/meta.ts';
import { cutManagedFields } from './managed-fields.ts';
import type { Reader } from './reader.ts';
import { metadataOf, soleVersion, versionOf } from './watch-event.ts';

/** Asks for metadata in place of the object, also in answer to a write. */
export const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** What is read of such an answer. */
export const Metadata: Reader<{ readonly metadata: ObjectMeta }> = {
  ofText: text => {
    const metadata = metadataOf(parsed(cutManagedFields(text)));
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
