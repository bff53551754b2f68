/**
 * Values that must never be seen, and a search for them in any of the forms that a program gives to text:
 * as it is, percent-encoded, in a form, in JSON, and in base64 wherever it begins.
 *
 * Of a long value either end gives it away, so that one that was cut is found as well, and a hundred thousand
 * tokens cost one pass over a text.
 */
export class Canaries {
  readonly #known = new Set<string>();
  readonly #whole = new Set<string>();
  readonly #ends = new Set<string>();

  /** @param value as it is; one that is too short to mean anything is left out. */
  add(value: string): void {
    if (value.length < SHORTEST || this.#known.has(value)) return;
    this.#known.add(value);
    for (const form of formsOf(value)) {
      if (form.length < WINDOW) this.#whole.add(form);
      else this.#ends.add(form.slice(0, WINDOW)).add(form.slice(-WINDOW));
    }
  }

  /** What of them is in the text, in the form that it has there. */
  find(text: string): string[] {
    const found = new Set<string>();
    for (const form of this.#whole) if (text.includes(form)) found.add(form);
    for (let at = 0; at + WINDOW <= text.length && this.#ends.size > 0; at++) {
      const part = text.slice(at, at + WINDOW);
      if (this.#ends.has(part)) found.add(part);
    }
    return [...found];
  }
}

const SHORTEST = 6;
const WINDOW = 16;

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
