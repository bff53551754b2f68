import { z } from 'zod';
import { ANNOTATION, MANAGED_LABEL, SESSION_SECRET_TYPE, SESSION_SUFFIX } from '../api/names.ts';
import { decodeText, encodeData, type Secret } from './secret.ts';
import { type OwnerIdentity, ownerReference, type Precondition, preconditionFields } from './target.ts';

/**
 * `<credential>.session`: the whole last answer that brought a refresh token, written before the token is published,
 * so that a crash in between costs no login and no refresh token. Never mounted; one key, one JSON document.
 */
export const Session = z.object({
  /** Counts the answers saved; 0 before the first. A target that knows a higher one makes this a restored backup. */
  sequence: z.int().min(0),
  /** The credential's UID: a session of another one (a copy, a backup) is not used. */
  uid: z.string(),
  account: z.string().optional(),
  inputs: z.string().optional(),
  source: z.string().optional(),
  refreshToken: z.string().optional(),
  /** Absent when the answer was unusable but for its refresh token. */
  answer: z
    .object({
      token: z.string(),
      tokenType: z.string().optional(),
      outputs: z.record(z.string(), z.string()),
      issuedAt: z.number(),
      expiresAt: z.number().optional(),
      renewNotBefore: z.number().optional(),
      grant: z.enum(['Login', 'Refresh']),
      grants: z.int(),
    })
    .optional(),
});
export type Session = z.infer<typeof Session>;

const KEY = 'session';

export function sessionName(credential: string): string {
  return `${credential}${SESSION_SUFFIX}`;
}

export function emptySession(uid: string): Session {
  return { sequence: 0, uid };
}

/** Undefined when it is none, or cannot be read: then it is written anew. */
export function parseSession(secret: Secret): Session | undefined {
  const text = secret.data[KEY] === undefined ? undefined : decodeText(secret.data[KEY]);
  if (text === undefined) return undefined;
  try {
    const parsed = Session.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function desiredSession(
  credential: OwnerIdentity,
  session: Session,
  precondition: Precondition,
): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: sessionName(credential.name),
      namespace: credential.namespace,
      ...preconditionFields(precondition),
      labels: { [MANAGED_LABEL]: 'true' },
      annotations: { [ANNOTATION.credential]: `${credential.namespace}/${credential.name}` },
      ownerReferences: [ownerReference(credential)],
    },
    type: SESSION_SECRET_TYPE,
    data: encodeData({ [KEY]: JSON.stringify(session) }),
  };
}
