import type { ProviderSpec, ResponseSpec } from '../api/provider.ts';

/** What compiling a definition may take, told before anything is compiled: it holds the event loop for up to some 100 ms. */

/** Characters of all expressions together; a flow of every field takes some 500. */
const MAX_CHARACTERS = 16_384;
/** A pattern takes up to 1 ms, whatever its length. */
const MAX_PATTERNS = 32;

/** @returns what is too much of `spec.flows`. */
export function flowsTooLarge({ flows }: ProviderSpec): string | undefined {
  const expressions = flows.flatMap(({ login, refresh }) => [
    ...expressionsOf(login.response),
    ...(refresh === undefined ? [] : expressionsOf(refresh.response)),
  ]);
  if (expressions.reduce((sum, { length }) => sum + length, 0) > MAX_CHARACTERS) {
    return `hold more than ${MAX_CHARACTERS} characters of expressions: use fewer or shorter ones, or another definition for some flows`;
  }
  const patterns = expressions.reduce((sum, text) => sum + text.split('matches').length - 1, 0);
  if (patterns <= MAX_PATTERNS) return undefined;
  return `hold more than ${MAX_PATTERNS} patterns: use matches() less, or another definition for some flows`;
}

function expressionsOf({
  format: _format,
  lifetime: _lifetime,
  outputs = {},
  ...single
}: ResponseSpec): string[] {
  return [...Object.values(single), ...Object.values(outputs)].filter(text => typeof text === 'string');
}
