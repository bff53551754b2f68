/** Objects of the API as plain trees. Nothing here is ever changed in place: what did not change keeps its identity, which makes comparing cheap. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json | undefined };

export type OwnerReference = {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
};

/** A set of fields in the wire's own form: an empty node is a member, `.` marks one that has children as well. */
export type FieldSet = { [element: string]: FieldSet };

export type ManagedEntry = {
  manager: string;
  operation: string;
  apiVersion: string;
  time: string;
  fieldsType: string;
  fieldsV1: FieldSet;
  subresource?: string;
};

export type Meta = {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  generation?: number;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedEntry[];
  [key: string]: Json | undefined;
};

export type KubeObject = {
  apiVersion: string;
  kind: string;
  metadata: Meta;
  [key: string]: Json | undefined;
};

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectOr = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
export const textOr = (value: Json | undefined, otherwise = ''): string =>
  typeof value === 'string' ? value : otherwise;
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  for (const key in a) if (!(Object.hasOwn(b, key) && equal(a[key], b[key]))) return false;
  for (const key in b) if (!Object.hasOwn(a, key)) return false;
  return true;
}
