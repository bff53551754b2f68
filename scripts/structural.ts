import { z } from 'zod';

/**
 * From a zod schema to what a CRD takes: a structural schema. zod's output is nearly one; this drops what a CRD refuses
 * and fails on any keyword that it does not know, so that a new zod construct is a failed build and not a refused CRD.
 */

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** The part of OpenAPI that our CRDs use, in the order in which it is written. */
export const Structural = z.strictObject({
  description: z.string().optional(),
  type: z.enum(['object', 'array', 'string', 'integer', 'boolean']),
  format: z.literal('date-time').optional(),
  enum: z.array(scalar).optional(),
  default: z.json().optional(),
  pattern: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  minProperties: z.number().optional(),
  maxProperties: z.number().optional(),
  required: z.array(z.string()).optional(),
  'x-kubernetes-list-type': z.enum(['map', 'set']).optional(),
  'x-kubernetes-list-map-keys': z.array(z.string()).optional(),
  'x-kubernetes-preserve-unknown-fields': z.literal(true).optional(),
  'x-kubernetes-validations': z
    .array(
      z.strictObject({
        rule: z.string(),
        message: z.string(),
        fieldPath: z.string().optional(),
        reason: z.string().optional(),
      }),
    )
    .optional(),
  get items() {
    return Structural.optional();
  },
  get additionalProperties() {
    return Structural.optional();
  },
  get properties() {
    return z.record(z.string(), Structural).optional();
  },
});
export type Structural = z.infer<typeof Structural>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Without the bounds that zod gives every integer, its own date-time pattern, and the shape of free JSON. */
function clean(node: unknown): unknown {
  if (!isObject(node)) return node;
  const out: Record<string, unknown> = { ...node };
  if (out['x-kubernetes-preserve-unknown-fields'] === true) delete out.allOf;
  if (out.minimum === Number.MIN_SAFE_INTEGER) delete out.minimum;
  if (out.maximum === Number.MAX_SAFE_INTEGER) delete out.maximum;
  if (out.format === 'date-time') delete out.pattern;
  if (out.items !== undefined) out.items = clean(out.items);
  if (out.additionalProperties !== undefined) out.additionalProperties = clean(out.additionalProperties);
  if (isObject(out.properties)) {
    out.properties = Object.fromEntries(
      Object.entries(out.properties).map(([name, child]) => [name, clean(child)]),
    );
  }
  return out;
}

/** What the API server knows by itself, and describes as it does everywhere. */
const ENVELOPE = {
  apiVersion: { description: 'Version of the schema of this object, group included.', type: 'string' },
  kind: { description: 'Kind of this object.', type: 'string' },
  metadata: { type: 'object' },
} as const satisfies Record<string, Structural>;

/** @throws when the zod schema holds something that a CRD cannot express; the error names the keyword's path. */
export function toStructural(schema: z.ZodType): Structural {
  const { definitions: _, ...json } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    unrepresentable: 'any',
  });
  const root = clean(json);
  if (!isObject(root) || !isObject(root.properties)) throw new Error('a kind is an object');
  return Structural.parse({
    ...root,
    properties: { ...ENVELOPE, spec: root.properties.spec, status: root.properties.status },
    required: ['spec'],
  });
}
