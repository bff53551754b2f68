import { z } from 'zod';
import { CredentialSpec, CredentialStatus } from '../api/credential.ts';
import type { ObjectMeta } from '../api/meta.ts';
import { API_VERSION, CREDENTIAL_PLURAL, PROVIDER_PLURAL } from '../api/names.ts';
import { ProviderSpec, ProviderStatus } from '../api/provider.ts';
import type { FieldProblem } from '../errors.ts';
import { metadataOf } from './watch-event.ts';

/**
 * Our own objects as read from the API server. The CRD keeps bad ones out; one stored before the CRD was tightened
 * is still held here, with what is wrong in it, so that its status can say so.
 */
export interface ObjectOf<Spec, Status> {
  readonly metadata: ObjectMeta;
  readonly spec: Spec | undefined;
  /** Why there is no spec. */
  readonly problems: readonly FieldProblem[];
  readonly status: Status | undefined;
}
export type CredentialObject = ObjectOf<CredentialSpec, CredentialStatus>;
export type ProviderObject = ObjectOf<ProviderSpec, ProviderStatus>;

function reader<Spec, Status>(
  specSchema: z.ZodType<Spec>,
  statusSchema: z.ZodType<Status>,
): (raw: unknown) => ObjectOf<Spec, Status> | undefined {
  return raw => {
    const metadata = metadataOf(raw);
    if (metadata === undefined) return undefined;
    const parts = raw as { readonly spec?: unknown; readonly status?: unknown };
    const spec = specSchema.safeParse(parts.spec);
    const status = statusSchema.safeParse(parts.status);
    return {
      metadata,
      spec: spec.success ? spec.data : undefined,
      problems: spec.success ? [] : spec.error.issues.slice(0, 5).map(issue => problem(issue)),
      status: status.success ? status.data : undefined,
    };
  };
}

/** zod's messages may quote a value; ours name the field and what kind of mistake it is. */
function problem(issue: z.core.$ZodIssue): FieldProblem {
  return { field: ['spec', ...issue.path].join('.'), message: `is not as the schema says (${issue.code})` };
}

export const readCredential = reader(CredentialSpec, CredentialStatus);
export const readProvider = reader(ProviderSpec, ProviderStatus);

/** For an answer of the API server: throws nothing, and is undefined only when there is no metadata. */
export const CredentialAnswer = z.unknown().transform((raw, context) => read(readCredential, raw, context));
export const ProviderAnswer = z.unknown().transform((raw, context) => read(readProvider, raw, context));

function read<T>(from: (raw: unknown) => T | undefined, raw: unknown, context: z.RefinementCtx): T {
  const object = from(raw);
  if (object !== undefined) return object;
  context.addIssue({ code: 'custom', message: 'no object' });
  return z.NEVER;
}

export function credentialPath(namespace?: string, name?: string): string {
  if (namespace === undefined) return `/apis/${API_VERSION}/${CREDENTIAL_PLURAL}`;
  const collection = `/apis/${API_VERSION}/namespaces/${namespace}/${CREDENTIAL_PLURAL}`;
  return name === undefined ? collection : `${collection}/${name}`;
}

export function providerPath(name?: string): string {
  const collection = `/apis/${API_VERSION}/${PROVIDER_PLURAL}`;
  return name === undefined ? collection : `${collection}/${name}`;
}
