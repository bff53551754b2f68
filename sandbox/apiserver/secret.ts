import { badRequest, type Cause, cause } from './errors.ts';
import { equal, isObject, type KubeObject, objectOr, textOr } from './json.ts';

/** The rules of core/v1 Secrets. */

const KEY = /^[-._a-zA-Z0-9]+$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const LARGEST_BYTES = 1024 * 1024;
const KEY_RULE =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/** The keys that a type asks for. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export function admitSecret(
  object: KubeObject,
  old: KubeObject | undefined,
): { object: KubeObject; causes: Cause[] } {
  const secret = foldStringData(object);
  const causes: Cause[] = [];
  const type = textOr(secret.type);
  const data = objectOr(secret.data);
  let bytes = 0;
  for (const key of Object.keys(data)) {
    const value = textOr(data[key]);
    if (!KEY.test(key)) causes.push(cause.value(`data[${key}]`, key, KEY_RULE));
    else if (key.length > 253) {
      causes.push({
        reason: 'FieldValueTooLong',
        message: 'Too long: may not be more than 253 bytes',
        field: `data[${key}]`,
      });
    }
    // Without the value: a mistyped secret is still a secret.
    if (value.length % 4 !== 0 || !BASE64.test(value)) {
      throw badRequest('Secret in version "v1" cannot be handled as a Secret: illegal base64 data');
    }
    bytes += Math.floor((value.length * 3) / 4);
  }
  if (bytes > LARGEST_BYTES) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: `Too long: may not be more than ${LARGEST_BYTES} bytes`,
      field: 'data',
    });
  }
  for (const key of REQUIRED_KEYS[type] ?? []) {
    if (data[key] === undefined) causes.push(cause.required(`data[${key}]`));
  }
  if (type === 'kubernetes.io/service-account-token') {
    if (!secret.metadata.annotations?.['kubernetes.io/service-account.name']) {
      causes.push(cause.required('metadata.annotations[kubernetes.io/service-account.name]'));
    }
  }
  if (old !== undefined) checkFixed(secret, old, causes);
  return { object: secret, causes };
}

function foldStringData(object: KubeObject): KubeObject {
  const type = textOr(object.type) || 'Opaque';
  if (object.stringData === undefined && type === object.type) return object;
  const secret: KubeObject = { ...object, type };
  delete secret.stringData;
  if (isObject(object.stringData)) {
    const data = { ...objectOr(object.data) };
    for (const [key, value] of Object.entries(object.stringData)) {
      data[key] = Buffer.from(textOr(value)).toString('base64');
    }
    secret.data = data;
  }
  return secret;
}

function checkFixed(secret: KubeObject, old: KubeObject, causes: Cause[]): void {
  if (secret.type !== old.type) causes.push(cause.value('type', secret.type, 'field is immutable'));
  if (old.immutable !== true) return;
  const why = 'field is immutable when `immutable` is set';
  if (secret.immutable !== true) causes.push(cause.forbidden('immutable', why));
  if (!equal(secret.data ?? {}, old.data ?? {})) causes.push(cause.forbidden('data', why));
}
