import {
  type ASTNode,
  Environment,
  EvaluationError,
  ParseError,
  TypeError as TypingError,
} from '@marcbachmann/cel-js';
import { CostError, costOfExpression } from './cel-cost.ts';
import { type CelValue, kindOf, TooLarge } from './cel-value.ts';
import { compilePattern, type Pattern } from './pattern.ts';
import type { Report } from './problems.ts';

/** CEL over an answer: parsed, type-checked and bounded when a definition is accepted; evaluated without surprises. */

export type Variables = {
  readonly status: bigint;
  readonly headers: ReadonlyMap<string, string>;
  /** Absent when the body could not be read. */
  readonly body?: CelValue;
  readonly now: Date;
};

/** What an expression gave. A library's message may quote the answer, so none is kept. */
export type Outcome =
  | { readonly kind: 'value'; readonly value: unknown }
  /** A key that it reads is not there. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed' };

export interface Expression {
  /** Path in the definition. */
  readonly field: string;
  /** For `body.a.b`: `['body', 'a', 'b']`. */
  readonly path?: readonly string[];
  readonly cost: number;
  /** To be called within {@link evaluating}. */
  evaluate(variables: Variables): Outcome;
}

/** What a field may give; `dyn` is checked when there is a value. */
export type Wanted = 'boolean' | 'text' | 'number' | 'time';
const TYPES: Readonly<Record<Wanted, readonly string[]>> = {
  boolean: ['bool'],
  text: ['string', 'int', 'double', 'bool'],
  number: ['int', 'double', 'string', 'google.protobuf.Duration'],
  time: ['int', 'double', 'string', 'google.protobuf.Timestamp'],
};

/**
 * Characters times instructions that the regular expressions of one answer may take: some 6 ms at worst.
 * Evaluation is synchronous, so that one count serves; {@link evaluating} starts it anew.
 */
const PATTERN_BUDGET = 100_000;
let patternBudget = 0;

/** Runs all that is evaluated for one answer. */
export function evaluating<T>(run: () => T): T {
  patternBudget = PATTERN_BUDGET;
  // an absent key is an error to the library, and a stack that nobody reads is most of what one costs
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

class LiteralPatternError extends Error {}

const environment = new Environment({ limits: { maxAstNodes: 400, maxDepth: 32 } })
  .registerVariable('status', 'int')
  .registerVariable('headers', 'map<string, string>')
  .registerVariable('body', 'dyn')
  .registerVariable('now', 'google.protobuf.Timestamp')
  .registerType('TooLarge', { ctor: TooLarge, fields: {} })
  // The library's own `matches` is on JavaScript's engine. A macro of the same name takes its place whatever the receiver,
  // and sees the pattern before anything is evaluated.
  .registerFunction('map.matches(ast): bool', expandMatches);

interface Checker {
  check(node: ASTNode, context: unknown): unknown;
  getType(name: string): unknown;
}
interface Runner {
  run(node: ASTNode, context: unknown): unknown;
}

function expandMatches(call: { readonly args: readonly ASTNode[]; readonly receiver: ASTNode }) {
  const [literal] = call.args;
  if (literal?.op !== 'value' || typeof literal.args !== 'string') {
    throw new LiteralPatternError('matches() takes a literal pattern');
  }
  const pattern = compilePattern(literal.args);
  if (typeof pattern === 'string') throw new LiteralPatternError(`the pattern of matches() ${pattern}`);
  return {
    async: false,
    typeCheck(checker: Checker, _macro: unknown, context: unknown): unknown {
      checker.check(call.receiver, context);
      return checker.getType('bool');
    },
    evaluate(runner: Runner, _macro: unknown, context: unknown): boolean {
      return find(pattern, runner.run(call.receiver, context));
    },
  };
}

function find(pattern: Pattern, text: unknown): boolean {
  if (typeof text !== 'string') throw new EvaluationError('matches() needs a string');
  patternBudget -= (text.length + 16) * pattern.instructions;
  if (patternBudget < 0) throw new EvaluationError('too much text for matches()');
  return pattern.finds(text);
}

/** @returns undefined when it was reported that the expression can't be used. */
export function compileExpression(
  source: string,
  wanted: Wanted,
  field: string,
  report: Report,
): Expression | undefined {
  const wrong = (message: string): undefined => {
    report(field, message);
  };
  let parsed: ReturnType<Environment['parse']>;
  try {
    parsed = environment.parse(source);
  } catch (error) {
    return wrong(describe(error));
  }
  const checked = parsed.check();
  if (!checked.valid) return wrong(describe(checked.error));
  const type = checked.type ?? 'dyn';
  if (type !== 'dyn' && !TYPES[wanted].includes(type)) {
    return wrong(`gives ${type}, and must give ${TYPES[wanted].join(' or ')}`);
  }
  let cost: number;
  try {
    cost = costOfExpression(parsed.ast);
  } catch (error) {
    if (error instanceof CostError) return wrong(error.message);
    throw error;
  }
  const path = memberPath(parsed.ast);
  const evaluate = (variables: Variables): Outcome => {
    const plain = path === undefined ? undefined : plainMember(path, variables);
    if (plain !== undefined) return { kind: 'value', value: plain };
    try {
      const value: unknown = parsed(variables);
      return value instanceof Promise ? { kind: 'failed' } : { kind: 'value', value };
    } catch (error) {
      return { kind: error instanceof EvaluationError && ABSENT.has(error.code) ? 'absent' : 'failed' };
    }
  };
  return path === undefined ? { field, cost, evaluate } : { field, cost, evaluate, path };
}

/** Most of what definitions read: a text or number of the body. @returns undefined for all else, which is for the library. */
function plainMember(path: readonly string[], { body }: Variables): CelValue | undefined {
  if (path[0] !== 'body') return undefined;
  let value: CelValue | undefined = body;
  for (let at = 1; at < path.length; at += 1) {
    if (!(value instanceof Map)) return undefined;
    value = value.get(path[at] ?? '');
  }
  return typeof value === 'object' ? undefined : value;
}

const ABSENT = new Set(['no_such_key', 'index_out_of_bounds', 'unknown_variable']);

/** About an expression, which is no secret; never used for what evaluating one throws. */
function describe(error: unknown): string {
  if (error instanceof LiteralPatternError) return error.message;
  if (error instanceof ParseError || error instanceof TypingError) {
    const at = error.range === undefined ? '' : ` at character ${error.range.start + 1}`;
    return `is no valid CEL${at}: ${error.summary} (known are status, headers, body and now)`;
  }
  return 'is no valid CEL';
}

function memberPath(node: ASTNode): readonly string[] | undefined {
  if (node.op === 'id') return [node.args];
  if (node.op !== '.') return undefined;
  const parent = memberPath(node.args[0]);
  return parent === undefined ? undefined : [...parent, node.args[1]];
}

/**
 * How far a member path resolves: `body has no usuario`. Only names that the definition holds.
 * @returns undefined for an expression that is no such path.
 */
export function trace(expression: Expression, variables: Variables): string | undefined {
  const [root, ...names] = expression.path ?? [];
  if (root !== 'body' && root !== 'headers') return undefined;
  let value: unknown = variables[root];
  let walked = root;
  for (const name of names) {
    if (!(value instanceof Map)) return `${walked} is ${kindOf(value)}, not an object`;
    if (!value.has(name)) return `${walked} has no ${name}`;
    value = value.get(name);
    walked += `.${name}`;
  }
  return `${walked} is ${kindOf(value)}`;
}
