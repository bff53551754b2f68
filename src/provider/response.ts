import { parseDuration } from '../api/duration.ts';
import type { ResponseSpec } from '../api/provider.ts';
import { IDENTIFIER } from '../api/schema.ts';
import { compileExpression, type Expression, type Wanted } from './cel.ts';
import { MAX_COST } from './cel-cost.ts';
import type { Format } from './content.ts';
import { member, type Report } from './problems.ts';

/** How an answer is read: the definition's expressions, compiled. */

export interface ResponsePlan {
  /** `spec.flows[jwt].login.response` */
  readonly field: string;
  readonly format: Format;
  readonly token?: Expression | undefined;
  readonly tokenType?: Expression | undefined;
  readonly refreshToken?: Expression | undefined;
  readonly expiresIn?: Expression | undefined;
  readonly expiresAt?: Expression | undefined;
  readonly success?: Expression | undefined;
  readonly rejected?: Expression | undefined;
  readonly throttled?: Expression | undefined;
  readonly retryAfter?: Expression | undefined;
  readonly outputs: readonly (readonly [name: string, expression: Expression])[];
  /** Milliseconds. */
  readonly assumedMs?: number | undefined;
}

/** The Secret's keys when a credential does not name its own. */
export const DEFAULT_KEYS = ['token', 'token_type', 'header_name', 'header_value', 'expires_at'] as const;

const TEN_YEARS_MS = 3653 * 86_400_000;

export function compileResponse(spec: ResponseSpec, field: string, report: Report): ResponsePlan {
  let cost = 0;
  const compile = (source: string | undefined, wanted: Wanted, at: string): Expression | undefined => {
    if (source === undefined) return undefined;
    const expression = compileExpression(source, wanted, at, report);
    cost += expression?.cost ?? 0;
    return expression;
  };
  const one = (name: keyof ResponseSpec, wanted: Wanted): Expression | undefined => {
    const source = spec[name];
    return compile(typeof source === 'string' ? source : undefined, wanted, `${field}.${name}`);
  };
  if (spec.expiresIn !== undefined && spec.expiresAt !== undefined) {
    report(field, 'expiresIn and expiresAt exclude each other: keep the one that the provider documents');
  }
  const plan: ResponsePlan = {
    field,
    format: spec.format,
    token: one('token', 'text'),
    tokenType: one('tokenType', 'text'),
    refreshToken: one('refreshToken', 'text'),
    expiresIn: one('expiresIn', 'number'),
    expiresAt: one('expiresAt', 'time'),
    success: one('success', 'boolean'),
    rejected: one('rejected', 'boolean'),
    throttled: one('throttled', 'boolean'),
    retryAfter: one('retryAfter', 'number'),
    outputs: Object.entries(spec.outputs ?? {}).flatMap(([name, source]) => {
      const at = member(`${field}.outputs`, name);
      const expression = compile(source, 'text', at);
      const wrong = outputFault(name);
      if (wrong !== undefined) report(at, wrong);
      return expression === undefined ? [] : [[name, expression] as const];
    }),
    assumedMs: assumed(spec.lifetime, `${field}.lifetime`, report),
  };
  if (cost > MAX_COST) {
    report(
      field,
      `its expressions could cost ${Math.ceil(cost / MAX_COST)} times what may be spent on one answer: compare with literals, and let macros do less`,
    );
  }
  return plan;
}

function outputFault(name: string): string | undefined {
  if (!new RegExp(IDENTIFIER).test(name)) return 'an output is named with letters, digits and underscores';
  if (DEFAULT_KEYS.some(key => key === name)) return 'is the name of a key that the Secret has anyway';
  return undefined;
}

function assumed(text: string | undefined, field: string, report: Report): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms < 5000 || ms > TEN_YEARS_MS) {
    report(field, 'must be a duration from 5s to ten years');
    return undefined;
  }
  return ms;
}
