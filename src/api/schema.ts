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
export const rules = (...list: Rule[]): Record<string, unknown> => ({ 'x-kubernetes-validations': list });

/** A list whose items are told apart by `name`, so that two appliers can own one item each. */
export const byName = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };
export const asSet = { 'x-kubernetes-list-type': 'set' };

export const DNS_LABEL = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
export const DNS_SUBDOMAIN = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';
/** What Kubernetes allows as a key of a Secret. */
export const SECRET_KEY = '^[-._a-zA-Z0-9]+$';
/** Works in a template, in CEL and as an environment variable's name. */
export const IDENTIFIER = '^[A-Za-z_][A-Za-z0-9_]*$';
export const HEADER_NAME = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

export const text = (maxLength: number) => z.string().max(maxLength);
export const nonEmpty = (maxLength: number) => z.string().min(1).max(maxLength);
export const identifier = () => nonEmpty(63).regex(new RegExp(IDENTIFIER));
export const dnsLabel = () => nonEmpty(63).regex(new RegExp(DNS_LABEL));
export const objectName = () => nonEmpty(253).regex(new RegExp(DNS_SUBDOMAIN));
export const duration = () => nonEmpty(32).regex(new RegExp(DURATION_PATTERN));
/** A CEL expression over an answer. */
export const cel = () => nonEmpty(1024);
/** Text that may hold `$(…)` placeholders. */
export const template = (maxLength = 1024) => z.string().max(maxLength);
/** An RFC 3339 time in a status. */
export const time = () => z.iso.datetime({ offset: true });
