import { z } from 'zod';
import { DURATION_PATTERN } from './duration.ts';

/** Small pieces that both kinds' schemas are built from. All are plain zod; `.meta` carries what only a CRD knows. */

export interface Rule {
  rule: string;
  message: string;
  fieldPath?: string;
  reason?: string;
}

/** CEL rules that the API server enforces, with messages a person can act on. */
export const rules = (...list: Rule[]): { 'x-kubernetes-validations': Rule[] } => ({
  'x-kubernetes-validations': list,
});

/** A list whose items are told apart by `name`, so that two appliers can own one item each. */
export const byName = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };
export const asSet = { 'x-kubernetes-list-type': 'set' };

export const DNS_LABEL = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
export const DNS_SUBDOMAIN = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';
/** What Kubernetes allows as a key of a Secret. */
export const SECRET_KEY = '^[-._a-zA-Z0-9]+$';
/** Works in a template, in CEL and as an environment variable's name; two leading underscores (`__proto__`) do not. */
export const IDENTIFIER = '^_?[A-Za-z][A-Za-z0-9_]*$';
export const LABEL_VALUE = '^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$';
/** A label's or an annotation's key. */
export const LABEL_KEY =
  '^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$';
export const HEADER_NAME = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/** Counts characters as the API server does, so that what it has accepted can always be read. */
export const text = (maxLength: number) =>
  z
    .string()
    .refine(value => value.length <= maxLength || Array.from(value).length <= maxLength)
    .meta({ maxLength });
export const nonEmpty = (maxLength: number) => text(maxLength).min(1);
export const identifier = () => nonEmpty(63).regex(new RegExp(IDENTIFIER));
export const dnsLabel = () => nonEmpty(63).regex(new RegExp(DNS_LABEL));
export const objectName = () => nonEmpty(253).regex(new RegExp(DNS_SUBDOMAIN));
export const duration = () => nonEmpty(32).regex(new RegExp(DURATION_PATTERN));
/**
 * CEL: the text is a duration of a minute or more. CEL's `duration()` knows no days and overflows at 292 years,
 * so whole minutes, hours and days are told by their shape.
 */
export const AT_LEAST_A_MINUTE = `self.matches(r'${DURATION_PATTERN}') && (self.matches('(^|[a-z])0*[1-9][0-9.]*[dhm]($|[0-9])|[1-9][0-9.]*d') || (!self.contains('d') && duration(self) >= duration('1m')))`;
/** CEL: the text is a duration of 100ms to 5m. Seven digits are more than that in any unit, and might overflow. */
export const EXCHANGE_DEADLINE = `self.matches(r'${DURATION_PATTERN}') && !self.matches('[dh]|[0-9]{7}') && duration(self) >= duration('100ms') && duration(self) <= duration('5m')`;
/** A CEL expression over an answer. */
export const cel = () => nonEmpty(1024);
/** Text that may hold `$(…)` placeholders. */
export const template = (maxLength = 1024) => text(maxLength);
/** An RFC 3339 time in a status. */
export const time = () => z.iso.datetime({ offset: true }).max(40);

/** A rule over a map's keys, which a CRD's schema cannot limit by itself. @param pattern must match the whole key. */
export const keysMatch = (pattern: string, message: string): Rule => ({
  rule: `self.all(k, k.matches(r"${pattern}"))`,
  message,
});
export const identifierKeys = (what: string): Rule =>
  keysMatch(
    '^_?[A-Za-z][A-Za-z0-9_]{0,61}$',
    `${what} consist of letters, digits and underscores, start with a letter and have at most 63 characters`,
  );
