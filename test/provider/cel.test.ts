import { describe, expect, it } from 'vitest';
import {
  compileExpression,
  type Expression,
  evaluating,
  type Outcome,
  type Wanted,
} from '../../src/provider/cel.ts';
import { MAX_COST } from '../../src/provider/cel-cost.ts';
import { toCel } from '../../src/provider/cel-value.ts';
import { quickestMs, threadMs } from '../support/processor-time.ts';
import { flow, like, problemsOf, spec } from './engine-support.ts';

function compile(source: string, wanted: Wanted = 'text'): Expression | string {
  let problem = '';
  const expression = compileExpression(source, wanted, 'the.field', (field, message) => {
    problem = `${field}: ${message}`;
  });
  return expression ?? problem;
}

const variables = (body: unknown, status = 200) => ({
  status: BigInt(status),
  headers: new Map([['x-token', 'h']]),
  now: new Date(Date.UTC(2026, 0, 1)),
  body: toCel(body),
});

function evaluate(source: string, body: unknown, wanted: Wanted = 'text'): Outcome {
  const expression = compile(source, wanted);
  if (typeof expression === 'string') throw new Error(expression);
  return evaluating(() => expression.evaluate(variables(body)));
}

describe('CEL', () => {
  it.each<[string, unknown, unknown]>([
    ['body.a.b', { a: { b: 't' } }, 't'],
    ['body["a-b"]', { 'a-b': 't' }, 't'],
    ['body.list[1].t', { list: [{}, { t: 't' }] }, 't'],
    ['headers["x-token"]', {}, 'h'],
    ['body', 'text', 'text'],
    ['string(status)', {}, '200'],
    ['string(body.n)', { n: 7 }, '7'],
    ['body.a + "." + body.b', { a: 'x', b: 'y' }, 'x.y'],
    ['has(body.a) ? body.a : body.b', { b: 'y' }, 'y'],
    [
      'body.list.filter(x, x.on)[0].t',
      {
        list: [
          { on: false, t: 'a' },
          { on: true, t: 'b' },
        ],
      },
      'b',
    ],
    [
      'body.list.map(x, x.on, x.t)[0]',
      {
        list: [
          { on: false, t: 'a' },
          { on: true, t: 'b' },
        ],
      },
      'b',
    ],
  ])('%s reads %j', (source, body, expected) => {
    expect(evaluate(source, body)).toEqual({ kind: 'value', value: expected });
  });

  it.each<[string, unknown, boolean]>([
    ['status in [200, 201]', {}, true],
    ['body.n == 1 && body.n > 0', { n: 1 }, true],
    ['body.n == 1.5', { n: 1.5 }, true],
    ['type(body.n) == int && body.n + 1 == 8', { n: 7 }, true],
    ['type(body.n) == double', { n: 7.5 }, true],
    ['body.ok == true', { ok: 'true' }, false],
    ['body.code.matches("^AUTH-[0-9]+$")', { code: 'AUTH-12' }, true],
    ['body.errors.exists(e, e.code == "bad")', { errors: [{}, { code: 'bad' }] }, true],
    ['"a" in body', { a: 1 }, true],
    ['"constructor" in body', {}, false],
    ['now < timestamp("2026-06-01T00:00:00Z")', {}, true],
  ])('%s of %j is %s', (source, body, expected) => {
    expect(evaluate(source, body, 'boolean')).toEqual({ kind: 'value', value: expected });
  });

  it.each<[string, unknown]>([
    ['body.a', {}],
    ['body.a.b', { a: {} }],
    ['body.a.b', { a: null }],
    ['body.a', null],
    ['body.a', 'text'],
    ['body.list[3]', { list: [1] }],
    ['body.constructor', {}],
    ['body.__proto__', {}],
    ['body.toString', {}],
    ['body.list.length', { list: [] }],
  ])('%s of %j is absent', (source, body) => {
    expect(evaluate(source, body).kind).toBe('absent');
  });

  it('knows a key that is spelled like a prototype as a key alone', () => {
    const body: unknown = JSON.parse('{"__proto__": {"polluted": "yes"}, "a": {}, "a": {"t": "last"}}');
    expect(evaluate('body.a.t', body)).toEqual({ kind: 'value', value: 'last' });
    expect(evaluate('body.a.polluted', body).kind).toBe('absent');
    expect(evaluate('body["__proto__"].polluted', body)).toEqual({ kind: 'value', value: 'yes' });
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it.each<[string, unknown]>([
    ['int(body.a)', { a: 'CANARY' }],
    ['timestamp(body.a)', { a: 'CANARY' }],
    ['body.a.startsWith("x")', { a: { CANARY: 1 } }],
  ])('%s of %j fails, and keeps nothing of what the library says', (source, body) => {
    const outcome = evaluate(
      source,
      body,
      source.startsWith('int') ? 'number' : source.startsWith('body') ? 'boolean' : 'time',
    );
    expect(outcome).toEqual({ kind: 'failed' });
  });

  it.each<[string, Wanted, RegExp]>([
    ['body.', 'text', /^the\.field: is no valid CEL at character 6: /],
    ['bdy.token', 'text', /at character 1: Unknown variable: bdy/],
    ['body.a ==', 'boolean', /is no valid CEL/],
    ['nope(body.a)', 'text', /is no valid CEL/],
    ['status', 'boolean', /gives int, and must give bool/],
    ['[body.a]', 'text', /gives list.*must give string/],
    ['body.a.matches(body.b)', 'boolean', /literal pattern/],
    [
      'body.a.matches("(?=x)")',
      'boolean',
      /the pattern of matches\(\) is not a regular expression that RE2 takes/,
    ],
    ['body.a.matches("((((a{1,50}){1,20}))){1,1}")', 'boolean', /too large/],
    ['body.a.exists(x, body.b.exists(y, x == y))', 'boolean', /macro cannot stand within another/],
    ['body.a.filter(x, x.on).map(x, x.t)[0]', 'text', /nor follow one: use map\(x, condition, value\)/],
    ['cel.bind(x, body.a, x + x)', 'text', /the function bind is not known/],
    ['body.a.split(",")[0]', 'text', /the function split is not known/],
    ['[body.a].map(x, x + x)[0]', 'text', /joined within a macro/],
    ['body.a.contains(body.b)', 'boolean', /takes one literal string/],
    ['body.l.exists(x, body.m[x] == 1)', 'boolean', /index must be a literal/],
    ['string(now.getHours("America/Santiago"))', 'text', /no time zone/],
    ['{"a": body.a}.a', 'text', /map literal/],
    ['body.a.b'.padEnd(900, '.a'), 'text', /is no valid CEL.*[Dd]epth/],
  ])('%s (%s) is refused', (source, wanted, expected) => {
    const result = compile(source, wanted);
    expect(typeof result === 'string' ? result : '').toMatch(expected);
  });

  it('is evaluated on RE2: a pattern made to run for ever does not', () => {
    const before = threadMs();
    const outcome = evaluate('body.a.matches("^(a+)+$")', { a: `${'a'.repeat(3000)}b` }, 'boolean');
    expect(outcome).toEqual({ kind: 'value', value: false });
    expect(threadMs() - before).toBeLessThan(500);
    // more text than the answer's budget of matching allows
    expect(evaluate('body.a.matches("^(a+)+$")', { a: 'a'.repeat(60_000) }, 'boolean')).toEqual({
      kind: 'failed',
    });
  });

  it('restores what it changes while it evaluates', () => {
    Error.stackTraceLimit = 7;
    expect(() =>
      evaluating(() => {
        throw new Error('x');
      }),
    ).toThrow();
    expect(Error.stackTraceLimit).toBe(7);
    Error.stackTraceLimit = 10;
  });
});

describe('the bounds of an answer', () => {
  it.each<[string, unknown, string]>([
    ['a long list', { a: Array(501).fill('x') }, 'body.a[0]'],
    [
      'a wide object',
      { a: Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`k${i}`, 'x'])) },
      'body.a.k0',
    ],
    ['a long string', { a: 'x'.repeat(65_537) }, 'body.a + "."'],
    ['an object deep in a list', { a: [{ b: { c: { d: { e: { f: 'x' } } } } }] }, 'body.a[0].b.c.d.e.f'],
    ['a deep object', JSON.parse(`${'{"a":'.repeat(12)}"x"${'}'.repeat(12)}`), `body${'.a'.repeat(12)}`],
  ])('%s is there, and is not looked into', (_, body, source) => {
    expect(evaluate(source, body).kind).not.toBe('value');
    expect(evaluate('body.b', { ...(body as object), b: 'still read' })).toMatchObject({
      value: 'still read',
    });
  });
});

describe('what evaluating may cost', () => {
  const S = 'a'.repeat(65_536);
  const many = Array.from({ length: 500 }, (_, i) => ({ id: `x${i}`, n: i }));
  const lists = Array.from({ length: 15 }, () => Array.from({ length: 500 }, () => 1));
  const shape = (i: number): unknown => {
    let at: unknown = 1;
    for (let level = 0; level < 9; level++) at = (i >> level) % 2 === 1 ? [at] : { a: at };
    return at;
  };

  /** As often as a definition may hold it, over the largest answers. */
  it.each<[string, unknown]>([
    ['size(body.s) > 1', { s: S }],
    ['body.s.lowerAscii().upperAscii().trim() == "x"', { s: S }],
    [`body.s.contains("${'a'.repeat(40)}b")`, { s: S }],
    [`body.s.indexOf("b${'a'.repeat(40)}") == 3`, { s: S }],
    ['double(body.s) > 1.0', { s: '1'.repeat(65_536) }],
    ['string(body.s) == string(body.t)', { s: S, t: `${S.slice(1)}b` }],
    ['body.a == body.b', { a: lists, b: structuredClone(lists) }],
    ['body.x in body.a', { a: lists, x: structuredClone(lists[0]) }],
    ['body.l.exists(x, x.id == "none")', { l: many }],
    ['body.l.exists(x, x.absent == 1 || x.none == 2)', { l: many }],
    ['body.l.exists(x, x == body.s)', { l: many, s: S }],
    ['body.l.exists(x, x.id.matches("^[ab]*a[ab]{60}c"))', { l: many }],
    ['body.s.matches("^[ab]*a[ab]{60}c")', { s: S.slice(0, 1400) }],
    ['body.l.exists(x, x.a == 3)', { l: Array.from({ length: 500 }, (_, i) => ({ a: shape(i) })) }],
    ['body.none == 1', {}],
  ])('%s', (source, body) => {
    const expression = compile(source, 'boolean');
    if (typeof expression === 'string') throw new Error(expression);
    const times = Math.floor(MAX_COST / expression.cost);
    expect(times).toBeGreaterThan(0);
    const vars = variables(body);
    const took = quickestMs(5, () =>
      evaluating(() => {
        for (let i = 0; i < times; i++) expression.evaluate(vars);
      }),
    );
    expect(took).toBeLessThan(50);
  });

  it.each([
    'body.l.exists(x, body.s.contains("bbb"))',
    'body.l.exists(x, x.n in body.m)',
    'body.l.exists(x, size(body.s) == x.n)',
    'body.l.exists(x, body.a == body.b)',
    // a joined string is copied before it is read
    "body.l.exists(x, ('a' + body.s + body.s + body.s).startsWith('b'))",
    "body.l.exists(x, ('a' + body.s + body.s + body.s).substring(0, 1) == 'b')",
    "body.l.exists(x, ('a' + body.s + body.s + body.s + body.s + body.s) < body.s)",
    "body.l.exists(x, ('a' + body.s + body.s) < body.s)",
    Array(8).fill('body.a == body.b').join(' && '),
  ])('%s is more than that', source => {
    const problems = problemsOf(spec({ flows: [flow({ response: { success: source } })] }));
    expect(problems).toEqual([
      { field: 'spec.flows[f].login.response', message: like(/could cost \d+ times/) },
    ]);
  });
});
