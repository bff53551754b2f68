import { formatDuration } from '../api/duration.ts';
import type { Failure } from '../errors.ts';

/** Failures of sending, in words of our own: a library's message or cause may quote an address, a path or a value. */

/** Carries a failure that is already worded through code that passes errors on. */
export class FailureError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.reason);
    this.failure = failure;
  }
}

/** An answer's body is read up to here; a login's answer is a few KiB. */
export const MAX_BODY_BYTES = 256 * 1024;

const UNTRUSTED = 'its certificate is not trusted (a CA of your own goes into spec.network.caBundle)';

/** What an error tells of a connection that never came about. */
const WHY: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name could not be resolved for now',
  EAI_FAIL: 'its name could not be resolved',
  EAI_NODATA: 'its name has no address',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  EADDRNOTAVAIL: 'there is no route to it',
  ETIMEDOUT: 'no connection came about in time',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came about in time',
  UND_ERR_ABORTED: 'the proxy did not open a connection',
  UND_ERR_PRX_CONN: 'the proxy broke the connection',
  UND_ERR_PRX_TLS: 'the proxy’s certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate is revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS there',
  EPROTO: 'TLS failed',
};

/** @param started whether a byte of the request may have left. */
export function failureOf(error: unknown, started: boolean): Failure {
  if (error instanceof FailureError) return error.failure;
  const code = codeOf(error);
  if (code === 'UND_ERR_INVALID_ARG' && !started) return requestInvalid();
  // what has a connection is neither refused nor unresolved, whatever a dispatcher told before
  if (!started || code === 'ECONNREFUSED' || code === 'ENOTFOUND') {
    const other = /^ERR_(SSL|TLS)_/.test(code) ? 'TLS failed' : 'no connection came about';
    return unreachable((Object.hasOwn(WHY, code) ? WHY[code] : undefined) ?? other);
  }
  if (code.startsWith('HPE_')) return outcomeUnknown('what it answered is not HTTP');
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return outcomeUnknown('the headers of its answer are too large');
  return outcomeUnknown('the connection broke before the whole answer was there');
}

export function timedOut(timeoutMs: number, started: boolean): Failure {
  const limit = formatDuration(timeoutMs);
  return started
    ? outcomeUnknown(`no whole answer within ${limit}`)
    : unreachable(`no connection within ${limit}`);
}

export function stopped(started: boolean): Failure {
  return started
    ? outcomeUnknown('the exchange was stopped before the whole answer was there')
    : unreachable('the exchange was stopped before anything was sent');
}

export function tooLarge(): Failure {
  return {
    class: 'Unusable',
    reason: 'Unusable',
    sent: 'yes',
    message: `the answer is larger than ${MAX_BODY_BYTES / 1024} KiB`,
  };
}

/** What the engine filled cannot be put on the wire: a control character in the path or in a header. */
export function requestInvalid(): Failure {
  return {
    class: 'Invalid',
    reason: 'RequestInvalid',
    sent: 'no',
    message: 'the request that the definition makes is no valid HTTP request: look at its path and headers',
  };
}

export function caBundleInvalid(): Failure {
  return {
    class: 'Invalid',
    reason: 'DefinitionInvalid',
    sent: 'no',
    message: 'spec.network.caBundle of the provider must be certificates in PEM',
  };
}

function unreachable(why: string): Failure {
  return {
    class: 'Unavailable',
    reason: 'Unreachable',
    sent: 'no',
    message: `the provider cannot be reached: ${why}`,
  };
}

function outcomeUnknown(why: string): Failure {
  return {
    class: 'Unavailable',
    reason: 'OutcomeUnknown',
    sent: 'maybe',
    message: `the request was sent and its outcome is unknown: ${why}`,
  };
}

/** The code of an error, or of the first that an attempt at several addresses gathered. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return '';
}
