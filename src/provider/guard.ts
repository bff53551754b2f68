import type { ProviderSpec } from '../api/provider.ts';
import type { Failure } from '../errors.ts';
import { type AddressKind, type Cidr, classify, contains, parseAddress, parseCidr } from './addresses.ts';

/** Which addresses a provider's credentials may be sent to: public ones over https, and what the definition allows besides. Pure. */

export type NetworkSpec = ProviderSpec['network'];

export interface Guard {
  /** Judges scheme and, where the host is an address in whatever spelling, that. */
  judgeUrl(url: URL): Failure | undefined;
  /** Judges an address that would be connected to, as a resolver gives it. */
  judgeAddress(address: string): Failure | undefined;
}

export function createGuard(network: NetworkSpec): Guard {
  const allowed = network.allowCIDRs.map(parseCidr).filter(entry => entry !== undefined);
  const judgeAddress = (address: string): Failure | undefined => {
    const bytes = parseAddress(address);
    if (bytes === undefined) return refusal('reserved', false);
    const found = classify(bytes);
    if (found.kind === 'public') return undefined;
    const opens = (entry: Cidr): boolean =>
      contains(entry, found.bytes) && (found.own === undefined || contains(found.own, entry));
    return allowed.some(opens) ? undefined : refusal(found.kind, found.own !== undefined);
  };
  return {
    judgeAddress,
    judgeUrl(url) {
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && network.allowHTTP)) return PLAIN_HTTP;
      const literal = literalOf(url.hostname);
      return literal === undefined ? undefined : judgeAddress(literal);
    },
  };
}

/**
 * @param hostname as URL gives it: decimal, octal, hexadecimal and short spellings are already made plain by its parser.
 * @returns the address when the host is one, or is a name that always means one.
 */
export function literalOf(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  if (parseAddress(bare) !== undefined) return bare;
  // RFC 6761: loopback wherever it is resolved, so a proxy's own loopback too
  return /(^|\.)localhost\.?$/.test(bare) ? '127.0.0.1' : undefined;
}

const PLAIN_HTTP: Failure = {
  class: 'Invalid',
  reason: 'AddressRefused',
  sent: 'no',
  message: 'credentials are sent over https alone, unless spec.network.allowHTTP of the provider is true',
};

function refusal(kind: AddressKind, own: boolean): Failure {
  const what = /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
  const how = own
    ? `an entry of its own, within the range of ${kind} addresses, in spec.network.allowCIDRs of the provider`
    : 'an entry in spec.network.allowCIDRs of the provider';
  return {
    class: 'Invalid',
    reason: 'AddressRefused',
    sent: 'no',
    message: `the host is, or resolves to, ${what} address: it needs ${how}`,
  };
}
