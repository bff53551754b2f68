import type { Json, JsonObject } from './json.ts';

/** Which kind an error speaks of. */
interface Named {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
}

export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** A refusal in the API's own form: thrown anywhere, answered as a `Status`. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject | undefined;

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

const withGroup = (name: string, group: string): string => (group === '' ? name : `${name}.${group}`);
const detailsOf = (of: Named, name: string, kind = of.plural): JsonObject => ({
  ...(name === '' ? {} : { name }),
  ...(of.group === '' ? {} : { group: of.group }),
  kind,
});

export const badRequest = (message: string): ApiError => new ApiError(400, 'BadRequest', message);
export const expired = (message: string): ApiError => new ApiError(410, 'Expired', message);

export const notFound = (of: Named, name: string): ApiError =>
  new ApiError(404, 'NotFound', `${withGroup(of.plural, of.group)} "${name}" not found`, detailsOf(of, name));

export const alreadyExists = (of: Named, name: string): ApiError =>
  new ApiError(
    409,
    'AlreadyExists',
    `${withGroup(of.plural, of.group)} "${name}" already exists`,
    detailsOf(of, name),
  );

const MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again';

export const conflict = (of: Named, name: string, why = MODIFIED): ApiError =>
  new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${withGroup(of.plural, of.group)} "${name}": ${why}`,
    detailsOf(of, name),
  );

export function invalid(of: Named, name: string, causes: readonly Cause[]): ApiError {
  const list = causes.map(({ field, message }) => `${field}: ${message}`);
  const text = list.length === 1 ? list[0] : `[${list.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${withGroup(of.kind, of.group)} "${name}" is invalid: ${text}`, {
    ...detailsOf(of, name, of.kind),
    causes: causes.map(cause => ({ ...cause })),
  });
}

export const forbidden = (of: Named, name: string, why: string): ApiError =>
  new ApiError(
    403,
    'Forbidden',
    `${withGroup(of.plural, of.group)} "${name}" is forbidden: ${why}`,
    detailsOf(of, name),
  );

export const methodNotAllowed = (): ApiError =>
  new ApiError(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  );

const show = (value: Json | undefined): string => JSON.stringify(value) ?? 'null';

/** The causes of `invalid`, in the words of the real API server. */
export const cause = {
  value: (field: string, value: Json | undefined, why: string): Cause => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${show(value)}: ${why}`,
    field,
  }),
  required: (field: string, why = ''): Cause => ({
    reason: 'FieldValueRequired',
    message: why === '' ? 'Required value' : `Required value: ${why}`,
    field,
  }),
  forbidden: (field: string, why: string): Cause => ({
    reason: 'FieldValueForbidden',
    message: `Forbidden: ${why}`,
    field,
  }),
  duplicate: (field: string, value: Json | undefined): Cause => ({
    reason: 'FieldValueDuplicate',
    message: `Duplicate value: ${show(value)}`,
    field,
  }),
};
