import { describe, expect, test } from 'vitest';
import { createGuard, type NetworkSpec } from '../../src/provider/guard.ts';

const guard = (allowCIDRs: string[] = [], allowHTTP = false) =>
  createGuard({ allowCIDRs, allowHTTP } satisfies NetworkSpec);

describe('literal hosts, in every spelling that a URL takes', () => {
  test.each([
    ['loopback', 'https://127.0.0.1/'],
    ['loopback', 'https://2130706433/'],
    ['loopback', 'https://0177.0.0.1/'],
    ['loopback', 'https://0x7f.1/'],
    ['loopback', 'https://0x7f000001/'],
    ['loopback', 'https://127.1/'],
    ['loopback', 'https://127.0.0.1./'],
    ['loopback', 'https://１２７.0.0.1/'],
    ['loopback', 'https://127%2e0.0.1/'],
    ['loopback', 'https://[::1]/'],
    ['loopback', 'https://[::ffff:127.0.0.1]/'],
    ['loopback', 'https://[0:0:0:0:0:ffff:7f00:1]/'],
    ['loopback', 'https://[64:ff9b::127.0.0.1]/'],
    ['loopback', 'https://localhost/'],
    ['loopback', 'https://LOCALHOST./'],
    ['loopback', 'https://a.localhost:8443/'],
    ['unspecified', 'https://0/'],
    ['unspecified', 'https://[::]/'],
    ['private', 'https://10.0.0.1/'],
    ['private', 'https://012.1/'],
    ['private', 'https://[fd00::1]/'],
    ['metadata', 'https://169.254.169.254/'],
    ['metadata', 'https://2852039166/'],
    ['metadata', 'https://[fd00:ec2::254]/'],
    ['link-local', 'https://[fe80::1]/'],
    ['shared (carrier-grade NAT)', 'https://100.64.0.1/'],
    ['multicast', 'https://224.0.0.1/'],
  ])('%s: %s', (kind, url) => {
    const failure = guard().judgeUrl(new URL(url));
    expect(failure).toMatchObject({ class: 'Invalid', reason: 'AddressRefused', sent: 'no' });
    expect(failure?.message).toContain(` ${kind} address`);
    expect(failure?.message).toContain('spec.network.allowCIDRs');
  });

  test.each([
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https://example.test/',
    'https://10.0.0.1.example.test/',
  ])('passes: %s', url => expect(guard().judgeUrl(new URL(url))).toBeUndefined());
});

test('plain http is refused, unless it is allowed', () => {
  const url = new URL('http://example.test/');
  expect(guard().judgeUrl(url)?.message).toContain('spec.network.allowHTTP');
  expect(guard([], true).judgeUrl(url)).toBeUndefined();
  expect(guard([], true).judgeUrl(new URL('http://127.0.0.1/'))?.reason).toBe('AddressRefused');
  expect(guard([], true).judgeUrl(new URL('ftp://example.test/'))?.reason).toBe('AddressRefused');
});

describe('what entries of allowCIDRs open', () => {
  test.each<[boolean, string, string[]]>([
    [true, '10.1.2.3', ['10.1.0.0/16']],
    [true, '::ffff:10.1.2.3', ['10.1.0.0/16']],
    [true, '64:ff9b::10.1.2.3', ['10.1.0.0/16']],
    [false, '10.2.0.1', ['10.1.0.0/16']],
    [true, '10.1.2.3', ['0.0.0.0/0']],
    [false, 'fd00::1', ['0.0.0.0/0']],
    [true, 'fd00::1', ['::/0']],
    [true, '100.64.1.1', ['100.64.0.0/10']],
    // what needs an entry of its own
    [false, '127.0.0.1', ['0.0.0.0/0']],
    [false, '127.0.0.1', ['126.0.0.0/7']],
    [true, '127.0.0.1', ['127.0.0.0/8']],
    [true, '::ffff:127.0.0.1', ['127.0.0.1/32']],
    [false, '127.0.0.2', ['127.0.0.1']],
    [false, '::1', ['::/0']],
    [false, '::1', ['::/127']],
    [true, '::1', ['::1/128']],
    [false, '::1', ['127.0.0.0/8']],
    [false, '0.0.0.0', ['0.0.0.0/0']],
    [false, '169.254.7.7', ['169.0.0.0/8']],
    [true, '169.254.7.7', ['169.254.0.0/16']],
    [false, '169.254.169.254', ['169.254.0.0/16']],
    [true, '169.254.169.254', ['169.254.169.254/32']],
    [false, '100.100.100.200', ['100.64.0.0/10']],
    [false, 'fd00:ec2::254', ['fd00::/8']],
    [false, '168.63.129.16', ['0.0.0.0/0']],
    [false, '2002:7f00:1::', ['2002::/16']],
    [true, '2002:7f00:1::', ['2002:7f00:1::/128']],
    [false, '64:ff9b:1::169.254.169.254', ['64:ff9b:1::/48']],
    [true, '64:ff9b:1::10.0.0.1', ['64:ff9b:1::/48']],
    // what is no range opens nothing
    [false, '10.1.2.3', ['10.1.2.3/8', 'nonsense']],
  ])('%s: %s by %j', (opened, address, entries) => {
    expect(guard(entries).judgeAddress(address) === undefined).toBe(opened);
  });

  test('the text says when an entry of its own is needed', () => {
    expect(guard().judgeAddress('169.254.169.254')?.message).toContain('an entry of its own');
    expect(guard().judgeAddress('10.0.0.1')?.message).not.toContain('an entry of its own');
  });
});
