import type { ParameterSpec } from '../api/provider.ts';
import { compilePattern, type Pattern } from './pattern.ts';
import type { Report } from './problems.ts';
import type { CompiledParameter, CompiledProvider, Result } from './types.ts';
import { hasControl, type Value } from './values.ts';

/** Parameters: what a credential's author fills in. Not secret, and not trusted either. */

export const MAX_PARAMETER_LENGTH = 253;

export interface Parameter extends CompiledParameter {
  readonly pattern?: Pattern;
}

export function compileParameters(
  specs: readonly ParameterSpec[],
  report: Report,
): ReadonlyMap<string, Parameter> {
  const compiled = new Map<string, Parameter>();
  for (const spec of specs) {
    const field = `spec.parameters[${spec.name}]`;
    if (compiled.has(spec.name)) report(field, 'this name is used twice');
    const pattern = spec.pattern === undefined ? undefined : compilePattern(spec.pattern);
    if (typeof pattern === 'string') report(`${field}.pattern`, pattern);
    compiled.set(spec.name, typeof pattern === 'object' ? { spec, pattern } : { spec });
  }
  return compiled;
}

/** A credential's `spec.parameters`, checked and typed. */
export function readParameters(
  provider: CompiledProvider,
  parameters: ReadonlyMap<string, Parameter>,
  given: Readonly<Record<string, string>>,
): Result<Readonly<Record<string, Value>>> {
  const wrong = (name: string, message: string): Result<never> => ({
    ok: false,
    problem: { reason: 'ParameterInvalid', message: `spec.parameters.${name} ${message}` },
  });
  for (const name of Object.keys(given)) {
    if (parameters.has(name)) continue;
    const known = [...parameters.keys()].join(', ');
    return wrong(
      name,
      `is unknown to ${provider.name}, ${known === '' ? 'which has no parameters' : `which has ${known}`}: remove it`,
    );
  }
  const values: [string, Value][] = [];
  for (const [name, parameter] of parameters) {
    const text = Object.hasOwn(given, name) ? given[name] : undefined;
    const { required, description } = parameter.spec;
    if (text === undefined) {
      if (!required) continue;
      return wrong(
        name,
        `is required by ${provider.name}${description ? ` (${description})` : ''}: fill it in`,
      );
    }
    const read = readValue(text, parameter);
    if (!read.ok) return wrong(name, read.message);
    values.push([name, read.value]);
  }
  return { ok: true, value: Object.fromEntries(values) };
}

function readValue(
  text: string,
  { spec, pattern }: Parameter,
): { ok: true; value: Value } | { ok: false; message: string } {
  if (text.length > MAX_PARAMETER_LENGTH) {
    return { ok: false, message: `is longer than ${MAX_PARAMETER_LENGTH} characters` };
  }
  if (hasControl(text) || !text.isWellFormed()) return { ok: false, message: 'has a control character' };
  if (pattern !== undefined && !pattern.matches(text)) {
    return { ok: false, message: `must match the pattern ${spec.pattern} as a whole` };
  }
  switch (spec.type) {
    case 'string':
      return { ok: true, value: text };
    case 'boolean':
      return text === 'true' || text === 'false'
        ? { ok: true, value: text === 'true' }
        : { ok: false, message: 'must be "true" or "false"' };
    case 'integer': {
      const value = /^-?(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(value)
        ? { ok: true, value: value + 0 }
        : { ok: false, message: 'must be a whole number, written in digits' };
    }
  }
}
