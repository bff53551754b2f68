/**
 * Values that must never be seen, and a search for them in any of the forms that a program gives to text:
 * as it is, percent-encoded, in a form, in JSON, and in base64 wherever it begins.
 *
 * Of a long value either end gives it away, so that one that was cut is found as well, and a hundred thousand
 * tokens cost one pass over a text.
 */
export class Canaries {
  readonly #known = new Set<string>();
  /** What is looked for, none longer than `WINDOW`. */
  readonly #forms = new Set<string>();
  readonly #lengths = new Set<number>();
  /** In what the forms end, by `withNext`: most places of a text are none of them, and cost no look at the forms. */
  readonly #ends = new Uint8Array(ENDS);

  /** @param value as it is; one that is too short to mean anything is left out. */
  add(value: string): void {
    if (value.length < SHORTEST || this.#known.has(value)) return;
    this.#known.add(value);
    for (const form of formsOf(value)) {
      this.#addForm(form.slice(0, WINDOW));
      this.#addForm(form.slice(-WINDOW));
    }
  }

  #addForm(form: string): void {
    this.#forms.add(form);
    this.#lengths.add(form.length);
    let end = 0;
    for (let at = 0; at < form.length; at++) end = withNext(end, form.charCodeAt(at));
    this.#ends[end] = 1;
  }

  /** What of them is in the text, in the form that it has there. */
  find(text: string): string[] {
    const found = new Set<string>();
    let end = 0;
    for (let at = 0; at < text.length; at++) {
      end = withNext(end, text.charCodeAt(at));
      if (this.#ends[end] === 0) continue;
      for (const length of this.#lengths) {
        const part = text.slice(Math.max(0, at + 1 - length), at + 1);
        if (this.#forms.has(part)) found.add(part);
      }
    }
    return [...found];
  }
}

const SHORTEST = 6;
const WINDOW = 16;
const ENDS = 1 << 16;

/** A number below `ENDS` of the last four characters: with each one more, the fifth falls out. Forms are longer. */
const withNext = (end: number, character: number): number => ((end << 4) ^ character) & (ENDS - 1);

function formsOf(value: string): Set<string> {
  return new Set([
    value,
    encodeURIComponent(value),
    new URLSearchParams([['', value]]).toString().slice(1),
    JSON.stringify(value).slice(1, -1),
    ...[0, 1, 2].flatMap(before => [base64(value, before, 'base64'), base64(value, before, 'base64url')]),
  ]);
}

/** The characters that depend on the value alone, when so many bytes (mod 3) stand before it. */
function base64(value: string, before: number, encoding: 'base64' | 'base64url'): string {
  const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(value)]);
  return bytes.toString(encoding).slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6));
}
