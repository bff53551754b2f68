import { type LookupAddress, lookup } from 'node:dns';
import { connect as netConnect, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import type { Clock } from '../loop/clock.ts';
import { FailureError } from './failures.ts';
import { type Guard, literalOf } from './guard.ts';

/** Opens connections to addresses that the guard has judged, and to no others. */

/** Every address that a name stands for. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Opens a TCP connection to one of `addresses`, which are literal. */
export type Dial = (
  target: { readonly port: number; readonly addresses: readonly LookupAddress[] },
  callback: (error: Error | null, socket: Socket | null) => void,
) => void;

/** A connection that takes longer has no request left that waits for it. */
const CONNECT_LIMIT_MS = 60_000;

/**
 * An undici connector. undici's own `lookup` option is not called for literal addresses, so the whole of connecting is ours:
 * resolve, judge all, then dial those very addresses. A name that resolves differently a moment later changes nothing.
 */
export function guardedConnector(options: {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly resolve: Resolve;
  readonly dial: Dial;
  readonly secureContext: SecureContext | undefined;
}): buildConnector.connector {
  const { clock, guard, resolve, dial } = options;
  const upgrade = buildConnector({ ...tlsOptions(options.secureContext), allowH2: false, timeout: 0 });

  const addressesOf = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const bare = hostname.replace(/^\[|\]$/g, '');
    const literal = literalOf(bare);
    const addresses =
      literal === bare ? [{ address: bare, family: bare.includes(':') ? 6 : 4 }] : await resolve(hostname);
    for (const { address } of addresses) {
      const failure = guard.judgeAddress(address);
      if (failure !== undefined) throw new FailureError(failure);
    }
    if (addresses.length === 0) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
    return addresses;
  };

  return (target, callback) => {
    let open: Socket | undefined;
    let settled = false;
    // undici leaves `socket` out beside an error
    const settle = (error: Error | null, socket?: Socket | null): void => {
      if (settled) {
        socket?.destroy();
        return;
      }
      settled = true;
      limit.cancel();
      if (socket) callback(null, socket);
      else callback(error ?? new Error('not connected'), null);
    };
    const limit = clock.after(CONNECT_LIMIT_MS, () => {
      open?.destroy();
      settle(Object.assign(new Error('connect timed out'), { code: 'ETIMEDOUT' }));
    });
    addressesOf(target.hostname).then(
      addresses => {
        const secure = target.protocol === 'https:';
        dial({ port: Number(target.port) || (secure ? 443 : 80), addresses }, (error, socket) => {
          if (!socket || settled) return settle(error, socket);
          open = socket;
          if (!secure) return settle(null, socket);
          upgrade({ ...target, httpSocket: socket }, (tlsError, tlsSocket) => settle(tlsError, tlsSocket));
        });
      },
      (error: Error) => settle(error),
    );
  };
}

/** What every TLS connection of ours is made with; NODE_TLS_REJECT_UNAUTHORIZED has no say in it. */
export function tlsOptions(secureContext: SecureContext | undefined): buildConnector.BuildOptions {
  return { rejectUnauthorized: true, ...(secureContext && { secureContext }) };
}

/**
 * The system's resolver: /etc/hosts and search domains count, as elsewhere in the cluster. It has few threads,
 * so lookups of one name that are under way are shared, and a dead zone holds one thread rather than all.
 */
export function systemResolver(): Resolve {
  const pending = new Map<string, Promise<readonly LookupAddress[]>>();
  return hostname => {
    const shared = pending.get(hostname);
    if (shared !== undefined) return shared;
    const fresh = new Promise<readonly LookupAddress[]>((done, fail) => {
      lookup(hostname, { all: true }, (error, addresses) => {
        pending.delete(hostname);
        if (error) fail(error);
        else done(addresses);
      });
    });
    pending.set(hostname, fresh);
    return fresh;
  };
}

/** Tries the addresses in turn as RFC 8305 says; nothing but them is ever looked up or dialled. */
export const systemDial: Dial = ({ port, addresses }, callback) => {
  const socket = netConnect({
    host: 'judged.invalid',
    port,
    autoSelectFamily: true,
    lookup: (_hostname, _options, done) => done(null, [...addresses]),
  });
  const failed = (error: Error): void => callback(error, null);
  socket.once('error', failed);
  socket.once('connect', () => {
    socket.off('error', failed);
    callback(null, socket);
  });
};
