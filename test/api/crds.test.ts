import { readFileSync } from 'node:fs';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Schema } from '../../sandbox/apiserver/schema.ts';
import { crdPath, crdYaml, KINDS } from '../../scripts/crds.ts';
import { shortDiff } from '../../scripts/generated.ts';
import { toStructural } from '../../scripts/structural.ts';
import { CRDS } from './admission.ts';
import { nodes } from './schema-nodes.ts';
import { violations } from './structural-rules.ts';

const all = Object.entries(CRDS).flatMap(([kind, { schema }]) => nodes(schema, kind));
/** Ours to describe and limit; what every object has is the API server's. */
const ours = all.filter(({ path }) => !/\.(apiVersion|kind|metadata)$/.test(path) || path.includes('.spec'));
const isMap = (schema: Schema): boolean =>
  schema.additionalProperties !== undefined || schema['x-kubernetes-preserve-unknown-fields'] === true;

describe('committed CRDs', () => {
  it.each(KINDS.map(kind => [crdPath(kind), kind] as const))('%s is what the sources say', (path, kind) => {
    const committed = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    expect(crdYaml(kind), 'run: npm run generate').toBe(committed);
    expect(crdYaml(kind)).toBe(crdYaml(kind));
  });

  it('are structural', () => {
    expect(all.length).toBeGreaterThan(120);
    expect(all.flatMap(({ path, schema }) => violations(schema, path))).toEqual([]);
  });

  it('describe every field', () => {
    const named = ours.filter(({ path }) => !/(\[\]|\{\})$/.test(path));
    const silent = named.filter(({ schema }) => (schema.description ?? '').length < 5);
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('limit every string, list and map', () => {
    const unlimited = ours.filter(({ schema }) => {
      if (schema.type === 'string') return !('maxLength' in schema || 'enum' in schema);
      if (schema.type === 'array') return !('maxItems' in schema);
      return isMap(schema) && !('maxProperties' in schema);
    });
    expect(unlimited.map(({ path }) => path)).toEqual([]);
  });

  it('use patterns that Go, and so RE2, takes', () => {
    const patterns = ours.flatMap(({ schema }) => ('pattern' in schema ? [String(schema.pattern)] : []));
    expect(patterns.length).toBeGreaterThan(10);
    for (const pattern of patterns) expect(() => RE2JS.compile(pattern), pattern).not.toThrow();
  });

  it('have a message that tells what to do in every rule, on one line', () => {
    const rules = ours.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? []);
    expect(rules.length).toBeGreaterThan(30);
    for (const { rule, message } of rules) expect(message, rule).toMatch(/^[a-z][ -~]{20,}$/i);
  });

  it('never take a fresh status for current', () => {
    expect(CRDS.ProviderCredential.schema.properties?.status?.default).toEqual({ observedGeneration: -1 });
  });

  it('serve what kubectl is told to show', () => {
    const columns = (index: number) =>
      KINDS[index]?.columns.map(({ name, priority }) => `${name}${priority ? ' (wide)' : ''}`);
    expect(columns(0)).toEqual(['Accepted', 'Reason', 'Saturated', 'Age']);
    expect(columns(1)).toEqual([
      ...['Provider', 'Ready', 'Reason', 'Expires', 'Renews', 'Age'],
      ...['Flow (wide)', 'Secret (wide)', 'Tries (wide)'],
    ]);
  });
});

describe('toStructural', () => {
  const of = (spec: z.ZodType) => toStructural(z.object({ spec, status: z.object({}) })).properties?.spec;

  it('drops the bounds that zod gives every integer, and keeps those of the schema', () => {
    expect(of(z.int())).toEqual({ type: 'integer' });
    expect(of(z.int().min(1).max(5))).toEqual({ type: 'integer', minimum: 1, maximum: 5 });
  });

  it('leaves a time to its format', () => {
    expect(of(z.iso.datetime({ offset: true }).max(40))).toEqual({
      type: 'string',
      format: 'date-time',
      maxLength: 40,
    });
  });

  it.each([
    ['a union', z.union([z.string(), z.int()])],
    ['a discriminated union', z.discriminatedUnion('a', [z.object({ a: z.literal('b') })])],
    ['free JSON that is not marked', z.json()],
    ['an open object', z.looseObject({ a: z.string() })],
    ['a nullable', z.string().nullable()],
    ['two patterns', z.string().regex(/a/).regex(/b/)],
  ])('refuses %s, which no CRD takes', (_, schema) => {
    expect(() => of(schema)).toThrow();
  });
});

describe('shortDiff', () => {
  it('shows lines that went and came, with their numbers', () => {
    expect(shortDiff('a\nb\nc\nd', 'a\nc\nx\nd')).toBe('- 2: b\n+ 3: x');
  });
  it('is short', () => {
    const many = Array.from({ length: 50 }, (_, i) => String(i)).join('\n');
    expect(shortDiff('', many).split('\n')).toHaveLength(13);
    expect(shortDiff('', many)).toContain('lines more');
  });
});
