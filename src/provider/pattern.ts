import { RE2JS } from 're2js';

/** Regular expressions on RE2: time grows with the text, never exponentially. */

/**
 * Instructions of a compiled pattern. Matching costs up to some 60 ns for each character and instruction,
 * so a pattern times the text that it sees is what must stay small.
 */
export const MAX_PROGRAM = 500;

export interface Pattern {
  readonly instructions: number;
  /** The whole text. */
  matches(text: string): boolean;
  /** Anywhere in the text. */
  finds(text: string): boolean;
}

/** @returns the pattern, or what is wrong with it. */
export function compilePattern(text: string): Pattern | string {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(text);
  } catch {
    return 'is not a regular expression that RE2 takes (no look-around, no back-references)';
  }
  const instructions = compiled.programSize();
  if (instructions > MAX_PROGRAM) return `is too large: ${instructions} instructions, at most ${MAX_PROGRAM}`;
  return {
    instructions,
    matches: value => compiled.testExact(value),
    finds: value => compiled.test(value),
  };
}
