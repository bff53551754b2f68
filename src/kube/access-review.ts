import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Log } from '../api/log.ts';
import type { Clock } from '../loop/clock.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';

/** `unavailable`: the API server could not be asked. */
export type Access = 'allowed' | 'unauthenticated' | 'forbidden' | 'unavailable';

const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const ACCESS_REVIEWS = '/apis/authorization.k8s.io/v1/subjectaccessreviews';

const User = z.object({
  /** Absent where a token is not good. */
  username: z.string().default(''),
  uid: z.string().optional(),
  groups: z.array(z.string()).optional(),
  extra: z.record(z.string(), z.array(z.string())).optional(),
});
const TokenReview = z.object({
  status: z.object({ authenticated: z.boolean().default(false), user: User.optional() }),
});
const AccessReview = z.object({ status: z.object({ allowed: z.boolean() }) });

/** For so long an answer counts: rights that are taken away end within it. */
const ALLOWED_MS = 60_000;
/** Rights that are given are soon there. */
const REFUSED_MS = 10_000;
const MOST_REMEMBERED = 256;
/** Who sends token after token must not make the API server review them all. */
const MOST_IN_FLIGHT = 8;
const TIMEOUT_MS = 5000;
const WARNED_EVERY_MS = 60_000;

/** Whether who bears a token may do something: TokenReview, then SubjectAccessReview. A token is kept as its hash alone. */
export class AccessReviewer {
  readonly #client: Pick<KubeClient, 'create'>;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By what is asked; the oldest first. */
  readonly #known = new Map<string, { readonly access: Access; readonly until: number }>();
  readonly #asking = new Map<string, Promise<Access>>();
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(client: Pick<KubeClient, 'create'>, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * @param authorization the header of who asks.
   * @param path of a non-resource URL, such as `/metrics`; @param verb such as `get`.
   */
  async review(authorization: string | undefined, path: string, verb: string): Promise<Access> {
    const token = /^bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return 'unauthenticated';
    const key = createHash('sha256').update(`${verb} ${path} ${token}`).digest('base64');
    const known = this.#known.get(key);
    if (known !== undefined && known.until > this.#clock.monotonic()) return known.access;
    const asked = this.#asking.get(key);
    if (asked !== undefined) return asked;
    if (this.#asking.size >= MOST_IN_FLIGHT) return 'unavailable';
    const asking = this.#ask(token, path, verb)
      .then(access => this.#remember(key, access))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(token: string, path: string, verb: string): Promise<Access> {
    const options = { secret: true, timeoutMs: TIMEOUT_MS };
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { status } = await this.#client.create(TOKEN_REVIEWS, review, TokenReview, options);
    const { username = '', ...rest } = status.user ?? {};
    if (!status.authenticated || username === '') return 'unauthenticated';
    const question = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, ...rest, nonResourceAttributes: { path, verb } },
    };
    const answer = await this.#client.create(ACCESS_REVIEWS, question, AccessReview, options);
    return answer.status.allowed ? 'allowed' : 'forbidden';
  }

  #remember(key: string, access: Access): Access {
    this.#known.delete(key);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MOST_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    const ms = access === 'allowed' ? ALLOWED_MS : REFUSED_MS;
    this.#known.set(key, { access, until: this.#clock.monotonic() + ms });
    return access;
  }

  #failed(error: unknown): Access {
    const now = this.#clock.monotonic();
    if (now - this.#warnedAt >= WARNED_EVERY_MS) {
      this.#warnedAt = now;
      const told =
        error instanceof KubeError ? { code: error.code, reason: error.reason } : { reason: 'Unknown' };
      const todo =
        'see that the operator may create tokenreviews and subjectaccessreviews (deploy/components/secure-metrics)';
      const forbidden = error instanceof KubeError && error.code === 403;
      this.#log.warn({ ...told, ...(forbidden && { todo }) }, 'scrapes cannot be authorized');
    }
    return 'unavailable';
  }
}
