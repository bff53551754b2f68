import type { Authority } from '../../sandbox/certificates.ts';
import { createProviders, type Providers } from '../../sandbox/providers/index.ts';
import { startProxy } from '../../sandbox/proxy.ts';
import { seeded } from '../../sandbox/random.ts';
import { serve } from '../../sandbox/serve.ts';
import { systemClock } from '../../src/loop/clock.ts';

/** What lies outside of the cluster: the simulated providers over TLS, behind a proxy that knows their real names. */
export interface Outside {
  readonly providers: Providers;
  /** What a program needs in its environment to reach them. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function startOutside(authority: Authority, seed = 'e2e'): Promise<Outside> {
  const providers = createProviders({ clock: systemClock, random: seeded(seed) });
  const server = await serve(providers.handler, { tls: await authority.issue(providers.hosts) });
  const proxy = await startProxy(asked =>
    providers.route(`https://${asked.replace(/:443$/, '')}`) === undefined ? undefined : server.port,
  );
  return {
    providers,
    env: { HTTPS_PROXY: proxy.url },
    close: async () => {
      await Promise.all([server.close(), proxy.close()]);
    },
  };
}
