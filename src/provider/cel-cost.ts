import type { ASTNode } from '@marcbachmann/cel-js';
import { MAX_MEMBERS, MAX_VALUES } from './cel-value.ts';

/**
 * An upper bound of what evaluating an expression costs, whatever the answer, reckoned when a definition is accepted.
 * One unit is some 0.1 µs; all expressions of one response together may cost {@link MAX_COST}, half of the 20 ms that an
 * answer may hold the event loop. The figures were measured on the largest values that `cel-value.ts` lets through.
 */
export const MAX_COST = 100_000;

const NODE = 2;
/** An error made and caught: an absent key is one, and a macro, `||` and `&&` each go on after it. */
const ERROR = 25;
/** Comparing, copying or measuring one string of the longest kind. */
const STRING = 100;
/** Visiting every value of an answer. */
const DEEP = 2 * MAX_VALUES;

const MACROS = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

/** What each function costs beyond its node; those not named here are refused. */
const CALLS: ReadonlyMap<string, number> = new Map([
  ['has', 0],
  ['int', 10 * STRING],
  ['double', 50 * STRING],
  ['string', STRING],
  ['bool', STRING],
  ['size', 200 * STRING],
  ['timestamp', 10],
  ['duration', 10],
  ['dyn', 0],
  ['type', 0],
]);
const METHODS: ReadonlyMap<string, number> = new Map([
  ['startsWith', 10],
  ['endsWith', 10],
  ['contains', 3 * STRING],
  ['indexOf', 3 * STRING],
  ['lastIndexOf', 3 * STRING],
  ['lowerAscii', 20 * STRING],
  ['upperAscii', 20 * STRING],
  ['trim', 20 * STRING],
  ['substring', 10],
  ['size', 200 * STRING],
  // its own budget is kept at run time
  ['matches', 10],
  ['getSeconds', 10],
  ['getMilliseconds', 10],
  ['getMinutes', 10],
  ['getHours', 10],
]);
/** These look for their argument, at a cost for each of its characters; so it must be written out. */
const SEARCHES = new Set(['contains', 'indexOf', 'lastIndexOf', 'startsWith', 'endsWith']);

export class CostError extends Error {}

interface Around {
  /** Inside a macro's predicate: its variable. */
  readonly variable?: string;
}

/** @throws CostError with what is not allowed. */
export function costOfExpression(node: ASTNode): number {
  return Math.ceil(ERROR + costOf(node, {}));
}

function costOf(node: ASTNode, around: Around): number {
  switch (node.op) {
    case 'value':
    case 'id':
      return NODE;
    case '.':
      return NODE + costOf(node.args[0], around);
    case '!_':
    case '-_':
      return NODE + costOf(node.args, around);
    case '[]':
      if (around.variable !== undefined && node.args[1].op !== 'value') {
        throw new CostError('within a macro an index must be a literal');
      }
      return NODE + sum(node.args, around) + comparison(node.args, around, STRING);
    case '-':
    case '*':
    case '/':
    case '%':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return NODE + sum(node.args, around) + comparison(node.args, around, STRING);
    case '||':
    case '&&':
      return NODE + ERROR + sum(node.args, around);
    case '?:':
    case 'list':
      return NODE + sum(node.args, around);
    case '==':
    case '!=':
      return NODE + sum(node.args, around) + comparison(node.args, around, DEEP);
    case '+':
      return NODE + sum(node.args, around) + joining(node.args, around);
    case 'in':
      return NODE + sum(node.args, around) + membership(node.args, around);
    case 'call':
      return NODE + call(node.args[0], node.args[1], around);
    case 'rcall':
      return NODE + method(node.args[0], node.args[1], node.args[2], around);
    case 'map':
      throw new CostError('a map literal cannot be used here');
    case '.?':
    case '[?]':
      throw new CostError('optional access cannot be used here: use has()');
  }
}

function sum(nodes: readonly ASTNode[], around: Around): number {
  return nodes.reduce((total, node) => total + costOf(node, around), 0);
}

/**
 * The cost of reading what `nodes` give. In a macro it is paid for each element, except where it is the elements that are
 * read: they are parts of one answer, so that all of them together are no longer than it.
 */
function times(cost: number, nodes: readonly ASTNode[], around: Around): number {
  const own = around.variable !== undefined && nodes.some(node => rootOf(node) === around.variable);
  return own ? cost / MAX_MEMBERS : cost;
}

/** @param unlike what it costs when neither side is known to be no list and no object. */
function comparison(sides: readonly ASTNode[], around: Around, unlike: number): number {
  const ropes = joined(sides);
  if (ropes === 1 && sides.some(side => side.op === 'value')) return NODE;
  if (unlike === STRING || sides.some(isScalar)) return times(STRING * ropes, sides, around);
  return deep(sides, around);
}

/** Comparing lists and objects whole. Built ones could hold the same part a thousand times. */
function deep(sides: readonly ASTNode[], around: Around): number {
  if (sides.some(builds))
    throw new CostError('a list that is built here cannot be compared: compare its elements');
  return times(DEEP, sides, around);
}

function joining(sides: readonly ASTNode[], around: Around): number {
  if (sides.some(isScalar)) return 10;
  if (around.variable !== undefined) throw new CostError('lists cannot be joined within a macro');
  return deep(sides, around);
}

function membership([element, list]: readonly [ASTNode, ASTNode], around: Around): number {
  if (list.op === 'list') return list.args.length * NODE + times(STRING, [element], around);
  return isScalar(element)
    ? MAX_MEMBERS * NODE + times(STRING, [list], around)
    : MAX_MEMBERS * NODE + deep([element, list], around);
}

function call(name: string, args: readonly ASTNode[], around: Around): number {
  const cost = CALLS.get(name);
  if (cost === undefined) throw new CostError(`the function ${name} is not known here`);
  if (name === 'duration' && args.some(arg => arg.op !== 'value')) {
    throw new CostError('duration() takes a literal');
  }
  return times(cost * joined(args), args, around) + sum(args, around);
}

function method(name: string, receiver: ASTNode, args: readonly ASTNode[], around: Around): number {
  if (MACROS.has(name)) return macro(receiver, args, around);
  const cost = METHODS.get(name);
  if (cost === undefined) throw new CostError(`the function ${name} is not known here`);
  if (name.startsWith('get') && args.length > 0) throw new CostError(`${name}() takes no time zone`);
  let searched = 1;
  if (SEARCHES.has(name)) {
    const [needle, ...more] = args;
    if (needle?.op !== 'value' || typeof needle.args !== 'string' || more.length > 0) {
      throw new CostError(`${name}() takes one literal string`);
    }
    searched += needle.args.length;
  }
  const nodes = [receiver, ...args];
  // a joined string is made flat before anything is read of it, at the cost of a copy of each part
  const parts = joined(nodes);
  const flat = parts > 1 ? 4 * STRING * parts : 0;
  return times(cost * searched * parts + flat, [receiver], around) + sum(nodes, around);
}

function macro(receiver: ASTNode, args: readonly ASTNode[], around: Around): number {
  const [variable, ...rest] = args;
  if (around.variable !== undefined || hasMacro(receiver)) {
    throw new CostError('a macro cannot stand within another, nor follow one: use map(x, condition, value)');
  }
  if (variable?.op !== 'id') throw new CostError('a macro needs the name of its variable');
  return costOf(receiver, around) + MAX_MEMBERS * (NODE + ERROR + sum(rest, { variable: variable.args }));
}

/** Joined strings are that many times as long as the longest. */
function joined(nodes: readonly ASTNode[]): number {
  return 1 + nodes.reduce((total, node) => total + count(node, each => each.op === '+'), 0);
}

const hasMacro = (node: ASTNode): boolean =>
  count(node, each => each.op === 'rcall' && MACROS.has(each.args[0])) > 0;

const builds = (node: ASTNode): boolean =>
  count(
    node,
    each => each.op === 'list' || each.op === '+' || (each.op === 'rcall' && each.args[0] === 'map'),
  ) > 0;

function count(node: ASTNode, wanted: (node: ASTNode) => boolean): number {
  return childrenOf(node).reduce((total, child) => total + count(child, wanted), wanted(node) ? 1 : 0);
}

/** Whether the result is no list and no object, whatever the answer. */
function isScalar(node: ASTNode): boolean {
  switch (node.op) {
    case 'value':
      return true;
    case 'id':
      return node.args === 'status' || node.args === 'now';
    case '[]':
    case '.':
      return rootOf(node) === 'headers';
    case '?:':
      return node.args.slice(1).every(isScalar);
    case '+':
      return node.args.some(isScalar);
    case 'call':
      return node.args[0] !== 'dyn';
    case 'rcall':
      return !MACROS.has(node.args[0]) || ['all', 'exists', 'exists_one'].includes(node.args[0]);
    case 'list':
    case 'map':
    case '.?':
    case '[?]':
      return false;
    default:
      return true;
  }
}

/** The variable that a chain of members and indices starts from. */
function rootOf(node: ASTNode): string | undefined {
  if (node.op === 'id') return node.args;
  return node.op === '.' || node.op === '[]' ? rootOf(node.args[0]) : undefined;
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [node.args[0]];
    case '!_':
    case '-_':
      return [node.args];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'map':
      return node.args.flat();
    default:
      return node.args;
  }
}
