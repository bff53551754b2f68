import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../api/log.ts';
import type { Clock, Timer } from '../loop/clock.ts';

/** A certificate with its chain, and its key: PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** As Secrets of type kubernetes.io/tls name them. */
const CERT = 'tls.crt';
const KEY = 'tls.key';
const LOOK_EVERY_MS = 10_000;

/** A folder with `tls.crt` and `tls.key`, looked at again and again: a mounted Secret changes in place. */
export class CertificateFolder {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What was last looked at, good or not. */
  #seen: Certificate | undefined;
  #timer: Timer | undefined;

  constructor(folder: string, clock: Clock, log: Log) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws Error with the folder's name when there is no pair. */
  async read(): Promise<Certificate> {
    const found = await this.#files();
    const why = found === undefined ? `it has no ${CERT} and ${KEY} that can be read` : problem(found);
    if (found === undefined || why !== undefined)
      throw new Error(`no certificate in ${this.#folder} (--metrics-cert-dir): ${why}`);
    this.#seen = found;
    return found;
  }

  /** @param changed is given each later pair; one that does not fit is logged, and not given. */
  watch(changed: (certificate: Certificate) => void): void {
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => {
      void this.#look(changed).finally(() => {
        if (this.#timer !== undefined) this.watch(changed);
      });
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #look(changed: (certificate: Certificate) => void): Promise<void> {
    const found = await this.#files();
    if (found === undefined || this.#timer === undefined) return;
    if (found.cert === this.#seen?.cert && found.key === this.#seen.key) return;
    this.#seen = found;
    const why = problem(found);
    if (why === undefined) {
      changed(found);
      this.#log.info({}, 'the certificate of /metrics is taken over');
    } else this.#log.warn({ detail: why }, 'the certificate of /metrics is not taken over');
  }

  async #files(): Promise<Certificate | undefined> {
    try {
      const [cert, key] = await Promise.all(
        [CERT, KEY].map(name => readFile(join(this.#folder, name), 'utf8')),
      );
      return cert === undefined || key === undefined ? undefined : { cert, key };
    } catch {
      return undefined;
    }
  }
}

/** OpenSSL's words may hold pieces of a key's file: they are not passed on. */
function problem({ cert, key }: Certificate): string | undefined {
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return undefined;
  } catch {
    // one of them is none
  }
  return `${CERT} and ${KEY} are no PEM certificate and its key`;
}
