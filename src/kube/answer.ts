import type { AnswerHeaders, Receiver } from './exchange.ts';
import { KubeError } from './kube-error.ts';

/** More than any page of objects that etcd would hold; a bound all the same. */
const BODY_MAX_BYTES = 256 * 1024 * 1024;

/** Collects a whole answer. */
export class Answer implements Receiver {
  /** HTTP status; 0 until the head came. */
  status = 0;
  headers: AnswerHeaders = {};
  readonly #what: string;
  readonly #onHead: (headers: AnswerHeaders) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(what: string, onHead: (headers: AnswerHeaders) => void) {
    this.#what = what;
    this.#onHead = onHead;
  }

  head(status: number, headers: AnswerHeaders): void {
    this.status = status;
    this.headers = headers;
    this.#onHead(headers);
  }

  data(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > BODY_MAX_BYTES) {
      throw new KubeError({ what: this.#what, code: 0, reason: 'AnswerTooLong', sent: 'yes' });
    }
  }

  /** @returns undefined where the body is no JSON. */
  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch {
      return undefined;
    }
  }

  text(): string {
    const [only] = this.#chunks;
    const whole =
      only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks, this.#bytes);
    return whole.toString('utf8');
  }
}
