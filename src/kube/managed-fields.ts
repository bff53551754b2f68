/** A quote within a text is escaped, so that this is a key, and of all that we read only metadata have it. */
const KEY = '"managedFields":[';
/** A whole text, or a bracket outside of one. */
const TEXT_OR_BRACKET = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]]/g;
const [OPEN, CLOSE, COMMA] = ['[', ']', ','].map(mark => mark.charCodeAt(0));

/**
 * An object as JSON without the server's bookkeeping of who owns which field: it is half of most objects, and nobody here reads it.
 * Cut out before the text is parsed, it costs a fifth.
 */
export function cutManagedFields(text: string): string {
  const from = text.indexOf(KEY);
  if (from === -1) return text;
  const end = endOfList(text, from + KEY.length);
  if (end === undefined) return text;
  if (text.charCodeAt(from - 1) === COMMA) return text.slice(0, from - 1) + text.slice(end);
  return text.slice(0, from) + text.slice(text.charCodeAt(end) === COMMA ? end + 1 : end);
}

/** @param from after the bracket that opens it. @returns after the one that closes it; undefined where it does not end. */
function endOfList(text: string, from: number): number | undefined {
  TEXT_OR_BRACKET.lastIndex = from;
  for (let depth = 1; TEXT_OR_BRACKET.test(text); ) {
    const at = TEXT_OR_BRACKET.lastIndex;
    const last = text.charCodeAt(at - 1);
    if (last === OPEN) depth += 1;
    else if (last === CLOSE) depth -= 1;
    if (depth === 0) return at;
  }
  return undefined;
}
