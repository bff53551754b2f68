import { z } from 'zod';
import type { Clock } from '../loop/clock.ts';
import { KubeClient } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import { KubeError } from './kube-error.ts';
import { ServerTime } from './server-time.ts';

/** Of OpenSSL and Node: the server is there, and shows a certificate that is not to be trusted. */
const UNTRUSTED =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)_\w+|CERT_\w+|INVALID_CA|ERR_TLS_CERT_ALTNAME_INVALID)$/;

/**
 * Asks the API server once, while the work begins: what only a person can mend is told at once. What passes by itself is left
 * to those who wait for the server anyway; so is the same later on, while credentials and certificates rotate.
 * @returns why nobody answers, where that is so: `ECONNREFUSED`.
 * @throws Error saying what to do.
 */
export async function firstContact(endpoint: Endpoint, clock: Clock): Promise<string | undefined> {
  const client = new KubeClient({ endpoint, clock, serverTime: new ServerTime(clock) });
  try {
    await client.get('/version', z.unknown());
    return undefined;
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    const told = explain(error, endpoint.server);
    if (told !== undefined) throw new Error(told);
    return error.code === 0 ? error.reason : undefined;
  }
}

function explain({ code, reason }: KubeError, server: string): string | undefined {
  if (code === 401) {
    return `${server} refuses the credentials (401 ${reason}): they are expired, revoked or of another cluster; choose a user of the kubeconfig that works, or in a pod check its service account`;
  }
  if (code !== 0 || !UNTRUSTED.test(reason)) return undefined;
  return reason === 'ERR_TLS_CERT_ALTNAME_INVALID'
    ? `the certificate of ${server} is for other names (${reason}): use one of them as the server, or name one in tls-server-name of the kubeconfig`
    : `the certificate of ${server} is not to be trusted (${reason}): certificate-authority of the kubeconfig, or in a pod ca.crt of its service account, must be that of this cluster`;
}
