import { expect, test } from 'vitest';
import { account, never, plainServer, post } from './local.ts';
import { keep, transport, trusting } from './sending.ts';

/** Permission is asked when the connection is there, just before the request is written: it may have been lost meanwhile. */

test('what is not permitted when its connection is there is not sent', async () => {
  const paths: string[] = [];
  const server = keep(
    await plainServer((request, response) => {
      paths.push(request.url ?? '');
      response.end('{}');
    }),
  );
  const url = (path: string): string => `http://provider.test:${server.port}${path}`;
  const to = transport();
  const of = account(trusting({ allowHTTP: true }), 5000);
  const left: number[] = [];
  const refused = await to.send(of, post(url('/refused')), never(), ms => {
    left.push(ms);
    expect(server.connections()).toBe(1);
    return false;
  });
  expect(refused).toMatchObject({ ok: false, failure: { class: 'Unavailable', sent: 'no' } });
  expect(left).toHaveLength(1);
  expect(left[0]).toBeGreaterThan(0);
  expect(left[0]).toBeLessThan(5000);
  const sent = await to.send(of, post(url('/sent')), never(), () => true);
  expect(sent.ok).toBe(true);
  expect(paths).toEqual(['/sent']);
});
