import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Dial, type Resolve, systemDial, systemResolver } from '../../src/provider/connect.ts';
import type { NetworkSpec } from '../../src/provider/guard.ts';
import { account, LOOPBACK, listen, never, post, tlsServer } from './local.ts';
import { cert, failure, keep, PATH, saying, send, transport, trusting } from './sending.ts';

describe('the address that is really connected to', () => {
  /** Says where it would have gone; goes nowhere. */
  const recording = () => {
    const dialled: string[] = [];
    const dial: Dial = ({ addresses }, callback) => {
      dialled.push(...addresses.map(one => one.address));
      callback(Object.assign(new Error('not in a test'), { code: 'ECONNREFUSED' }), null);
    };
    return { dialled, dial };
  };
  const resolving =
    (...addresses: string[]): Resolve =>
    async () =>
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }));
  const open: NetworkSpec = { allowCIDRs: [], allowHTTP: false };

  test.each([
    ['private', ['10.0.0.1']],
    ['private', ['fd00::1']],
    ['loopback', ['127.0.0.1']],
    ['loopback', ['::ffff:127.0.0.1']],
    ['link-local', ['fe80::1%2']],
    ['metadata', ['169.254.169.254']],
    ['metadata', ['64:ff9b::a9fe:a9fe']],
    ['shared (carrier-grade NAT)', ['100.64.0.1']],
    ['multicast', ['224.0.0.1']],
    ['unspecified', ['0.0.0.0']],
    ['private', ['8.8.8.8', '10.0.0.1']],
    ['private', ['2606:4700::1111', '8.8.8.8', '192.168.0.1']],
    ['reserved', ['nonsense']],
  ])('%s: a name that resolves to %j is refused, and nothing is dialled', async (kind, addresses) => {
    const { dialled, dial } = recording();
    const sent = await send(
      transport({ dial, resolve: resolving(...addresses) }),
      `https://provider.test${PATH}`,
      open,
    );
    expect(failure(sent)).toMatchObject({ class: 'Invalid', reason: 'AddressRefused', sent: 'no' });
    expect(failure(sent)).toMatchObject({ message: saying(` ${kind} address`) });
    expect(dialled).toEqual([]);
  });

  test.each(['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', '169.254.169.254', '10.0.0.1'])(
    'literal %s is refused without asking a resolver',
    async host => {
      const { dialled, dial } = recording();
      const asked: string[] = [];
      const resolve: Resolve = async name => {
        asked.push(name);
        return [{ address: '8.8.8.8', family: 4 }];
      };
      const sent = await transport({ dial, resolve }).send(
        account(open),
        post(`https://${host}${PATH}`),
        never(),
      );
      expect(failure(sent)).toMatchObject({ reason: 'AddressRefused' });
      expect([dialled, asked]).toEqual([[], []]);
    },
  );

  test('public ones are dialled as they were judged', async () => {
    const { dialled, dial } = recording();
    const to = transport({ dial, resolve: resolving('8.8.8.8', '2606:4700::1111') });
    expect(failure(await send(to, `https://provider.test${PATH}`, open))).toMatchObject({
      reason: 'Unreachable',
    });
    expect(dialled).toEqual(['8.8.8.8', '2606:4700::1111']);
  });

  test('a name that resolves differently the second time is asked once a connection, and judged each time', async () => {
    const { dialled, dial } = recording();
    const answers = ['8.8.8.8', '127.0.0.1'];
    const to = transport({
      dial,
      resolve: async () => [{ address: answers.shift() ?? '10.0.0.1', family: 4 }],
    });
    expect(failure(await send(to, `https://provider.test${PATH}`, open))).toMatchObject({
      reason: 'Unreachable',
    });
    expect(answers).toEqual(['127.0.0.1']);
    expect(failure(await send(to, `https://provider.test${PATH}`, open))).toMatchObject({
      reason: 'AddressRefused',
    });
    expect(dialled).toEqual(['8.8.8.8']);
  });

  test('what one provider is allowed, another with the same host is not', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const to = transport();
    const url = `https://provider.test:${server.port}${PATH}`;
    expect(failure(await send(to, url, trusting()))).toEqual({ ok: 200 });
    expect(failure(await send(to, url, trusting({ allowCIDRs: [] })))).toMatchObject({
      reason: 'AddressRefused',
    });
    expect(failure(await send(to, url, LOOPBACK))).toMatchObject({ reason: 'Unreachable' });
  });

  test('the next address is tried when the first is dead', async () => {
    const server = keep(await tlsServer(cert, (_, response) => response.end('{}')));
    const to = transport({ resolve: resolving('127.0.0.2', '127.0.0.1'), dial: systemDial });
    expect(failure(await send(to, `https://provider.test:${server.port}${PATH}`))).toEqual({ ok: 200 });
    const dead = await listen(createServer());
    await dead.close();
    const both = await send(to, `https://provider.test:${dead.port}${PATH}`);
    expect(failure(both)).toMatchObject({
      reason: 'Unreachable',
      message: saying('refused'),
    });
  });
});

test('the system’s resolver shares lookups of one name', async () => {
  const resolve = systemResolver();
  const first = resolve('localhost');
  expect(resolve('localhost')).toBe(first);
  expect((await first).length).toBeGreaterThan(0);
  expect(resolve('localhost')).not.toBe(first);
});
