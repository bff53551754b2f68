import { expect, test } from 'vitest';
import { createApiServer } from '../../sandbox/apiserver/server.ts';
import { createAuthority } from '../../sandbox/certificates.ts';
import { serve } from '../../sandbox/serve.ts';
import { readYaml } from '../../sandbox/world.ts';
import { systemClock } from '../../src/loop/clock.ts';
import { Plane } from './apiserver/plane.ts';
import { eventually } from './operated.ts';

/** What the worlds on a real API server rest on. */

test('a watch of the mirror that a server ends is begun anew where it was: also what was deleted meanwhile is told', async () => {
  const api = createApiServer({ clock: systemClock, crds: [] });
  for (const definition of readYaml('crds')) api.put(definition);
  const put = (name: string): void =>
    void api.put({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'default' },
      spec: {},
    });
  const authority = await createAuthority();
  const served = await serve(api.handler, { tls: await authority.issue(['127.0.0.1']) });
  put('before');
  put('stays');
  const plane = await Plane.open({ url: served.url, ca: authority.ca, token: 'a', operatorToken: 'b' });
  try {
    const told: string[] = [];
    plane.onTold = ({ resource }, { type, object }) => {
      if (type !== 'BOOKMARK') told.push(`${type} ${resource} ${object.metadata.name}`);
    };
    api.dropWatches();
    api.delete('leases', 'before', 'default');
    put('after');
    await eventually(
      () => told.length === 2 || undefined,
      () => told.join(', '),
    );
    expect(told).toEqual(['DELETED leases before', 'ADDED leases after']);
    expect(plane.mirror.list('leases').map(({ metadata }) => metadata.name)).toEqual(['after', 'stays']);
  } finally {
    await plane.close();
    await served.close();
  }
});
