import { once } from 'node:events';
import { createServer } from 'node:net';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { createAuthority } from '../../sandbox/certificates.ts';
import { sandboxCluster } from './cluster.ts';
import { Program } from './program.ts';

/** What the program serves to Prometheus and probes, where someone asks badly. */

const authority = createAuthority();

describe.concurrent('the program', { timeout: 90_000 }, () => {
  test.each([
    ['--metrics-bind-address', '--health-probe-bind-address'],
    ['--health-probe-bind-address', '--metrics-bind-address'],
  ])('ends with 1 and one line where the address of %s is taken', async (flag, other) => {
    const cluster = await sandboxCluster(await authority);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const at = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const program = new Program([
      `--kubeconfig=${cluster.kubeconfig}`,
      `${flag}=${at}`,
      `${other}=127.0.0.1:0`,
    ]);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toBe(`tokensync: cannot listen on ${at} (EADDRINUSE): choose another ${flag}\n`);
    taken.close();
    await cluster.close();
  });

  test('answers what nobody should ask with a line, and OpenMetrics to who asks for it', async () => {
    const cluster = await sandboxCluster(await authority, { listen: false });
    const program = new Program([
      `--kubeconfig=${cluster.kubeconfig}`,
      '--metrics-bind-address=127.0.0.1:0',
      '--health-probe-bind-address=0',
    ]);
    const { metrics } = JSON.parse(await program.logged('tokensync starts')) as { metrics: string };
    const ask = async (path: string, method: 'GET' | 'POST' | 'DELETE', accept = '*/*') => {
      const headers = { accept };
      const {
        statusCode,
        headers: got,
        body,
      } = await request(`http://${metrics}${path}`, { method, headers });
      return { status: statusCode, type: got['content-type'], text: await body.text() };
    };
    for (const path of ['/', '/healthz', '/metrics/../../etc/passwd', '/%00', '/metrics%2f'])
      expect(await ask(path, 'GET')).toMatchObject({ status: 404, text: 'not found\n' });
    for (const method of ['POST', 'DELETE'] as const)
      expect(await ask('/metrics', method)).toMatchObject({ status: 405, text: 'method not allowed\n' });
    const open = await ask('/metrics', 'GET', 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.text).toMatch(/tokensync_build_info\{version="[^"]+",node="v[^"]+"\} 1\n(.*\n)*# EOF\n$/);
    program.signal('SIGKILL');
    await program.exited;
    expect(program.stderr).toBe('');
    await cluster.close();
  });
});
