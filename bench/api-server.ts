import { z } from 'zod';
import { createApiServer } from '../sandbox/apiserver/server.ts';
import { serve } from '../sandbox/serve.ts';
import { systemClock } from '../src/loop/clock.ts';
import { answering } from './lib/child.ts';

/** The sandbox's API server as a process of its own. */
const Tls = z.object({ key: z.string(), cert: z.string() });

answering({
  serve: async args => {
    const api = createApiServer({ clock: systemClock, crds: [], historyLimit: 20_000 });
    const { url } = await serve(api.handler, { tls: Tls.parse(args) });
    return url;
  },
});
