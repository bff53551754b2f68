import { badRequest } from './errors.ts';
import { type Json, type JsonObject, objectOr, textOr } from './json.ts';

/**
 * kubectl creates Namespaces and Secrets by its typed client, and that one writes protobuf. These are the fields that it
 * sets, by their numbers in Kubernetes' `.proto` files; others are left out. Answers are JSON, which it takes as well.
 */

type Field = [name: string, type: 'string' | 'bool' | 'bytes' | Message, repeats?: 'list' | 'map'];
interface Message {
  readonly [field: number]: Field;
}

const META: Message = {
  1: ['name', 'string'],
  2: ['generateName', 'string'],
  3: ['namespace', 'string'],
  11: ['labels', { 1: ['key', 'string'], 2: ['value', 'string'] }, 'map'],
  12: ['annotations', { 1: ['key', 'string'], 2: ['value', 'string'] }, 'map'],
  13: [
    'ownerReferences',
    {
      1: ['kind', 'string'],
      3: ['name', 'string'],
      4: ['uid', 'string'],
      5: ['apiVersion', 'string'],
      6: ['controller', 'bool'],
      7: ['blockOwnerDeletion', 'bool'],
    },
    'list',
  ],
  14: ['finalizers', 'string', 'list'],
};

const KINDS: Readonly<Record<string, Message>> = {
  Namespace: { 1: ['metadata', META] },
  Secret: {
    1: ['metadata', META],
    2: ['data', { 1: ['key', 'string'], 2: ['value', 'bytes'] }, 'map'],
    3: ['type', 'string'],
    4: ['stringData', { 1: ['key', 'string'], 2: ['value', 'string'] }, 'map'],
    5: ['immutable', 'bool'],
  },
  SelfSubjectAccessReview: {},
};

/** `k8s\0`, then a message that names the type and holds the object's own. */
const MAGIC = Buffer.from('k8s\0');
const ENVELOPE: Message = {
  1: ['type', { 1: ['apiVersion', 'string'], 2: ['kind', 'string'] }],
  2: ['raw', 'bytes'],
};

export function readProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest('the object provided is unrecognized');
  const { type, raw } = readMessage(body.subarray(4), ENVELOPE);
  const { apiVersion, kind } = objectOr(type);
  const message = KINDS[textOr(kind)];
  if (message === undefined) throw badRequest(`the sandbox reads no protobuf of ${textOr(kind)}`);
  return { apiVersion, kind, ...readMessage(Buffer.from(textOr(raw), 'base64'), message) };
}

function readMessage(bytes: Buffer, message: Message): JsonObject {
  const result: JsonObject = {};
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw badRequest('the object provided is cut short');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    if (wire !== 0 && wire !== 2) throw badRequest('the object provided is unrecognized');
    const number = varint();
    const content = wire === 2 ? bytes.subarray(at, at + number) : undefined;
    if (content !== undefined) at += number;
    const field = message[tag >> 3];
    if (field !== undefined) put(result, field, content, number);
  }
  return result;
}

function put(
  result: JsonObject,
  [name, type, repeats]: Field,
  content: Buffer | undefined,
  number: number,
): void {
  const value = readValue(type, content, number);
  if (value === '' && repeats === undefined) return;
  const before = result[name];
  if (repeats === 'list') result[name] = [...(Array.isArray(before) ? before : []), value];
  else if (repeats === 'map') {
    const { key, value: entry = '' } = objectOr(value);
    result[name] = { ...objectOr(before), [textOr(key)]: entry };
  } else result[name] = value;
}

function readValue(type: Field[1], content: Buffer | undefined, number: number): Json {
  if (content === undefined) return type === 'bool' ? number !== 0 : number;
  if (typeof type === 'object') return readMessage(content, type);
  return content.toString(type === 'bytes' ? 'base64' : 'utf8');
}
