import { describe, expect, test } from 'vitest';
import {
  type AddressKind,
  classify,
  contains,
  parseAddress,
  parseCidr,
} from '../../src/provider/addresses.ts';

const kindOf = (text: string): AddressKind | undefined => {
  const bytes = parseAddress(text);
  return bytes && classify(bytes).kind;
};

describe('what an address is for', () => {
  test.each<[AddressKind, ...string[]]>([
    [
      'public',
      '8.8.8.8',
      '1.1.1.1',
      '172.15.255.255',
      '172.32.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '198.20.0.0',
    ],
    [
      'public',
      '2606:4700::1111',
      '2a00:1450::1',
      '2001:4860:4860::8888',
      '::ffff:8.8.8.8',
      '64:ff9b::8.8.8.8',
    ],
    [
      'private',
      '10.0.0.0',
      '10.255.255.255',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      'fd12::1',
      'fec0::1',
    ],
    ['private', '::ffff:10.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b:1::8.8.8.8'],
    [
      'loopback',
      '127.0.0.1',
      '127.255.255.255',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '64:ff9b::7f00:1',
    ],
    [
      'loopback',
      '::127.0.0.1',
      '2002:7f00:1::',
      '2001:0:7f00:1::',
      '2001:0:808:808::80ff:fffe',
      '64:ff9b:1::127.0.0.1',
    ],
    ['link-local', '169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'febf::1', '::ffff:169.254.1.1'],
    ['metadata', '169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '192.0.0.192'],
    [
      'metadata',
      'fd00:ec2::254',
      'fd20:ce::254',
      '::ffff:169.254.169.254',
      '64:ff9b::a9fe:a9fe',
      '::a9fe:a9fe',
    ],
    ['metadata', '2002:a9fe:a9fe::1', '64:ff9b:1:a9fe:a9:fe00::', '64:ff9b:1:1:a9:fea9:fe00:0'],
    ['shared (carrier-grade NAT)', '100.64.0.1', '100.127.255.255'],
    ['unspecified', '0.0.0.0', '0.1.2.3', '::'],
    ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1'],
    ['documentation', '192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
    ['benchmark', '198.18.0.1', '198.19.255.255', '2001:2::1'],
    [
      'reserved',
      '240.0.0.1',
      '255.255.255.255',
      '192.0.0.1',
      '192.88.99.1',
      '100::1',
      '4000::1',
      '::8.8.8.8',
    ],
    ['reserved', '2002:808:808::1', '2001::1', '2001:10::1', '5f00::1'],
  ])('%s: %s', (kind, ...addresses) => {
    for (const address of addresses) expect([address, kindOf(address)]).toEqual([address, kind]);
  });

  test.each([
    '',
    'a',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '2130706433',
    '0x7f000001',
    '::g',
    '1::2::3',
    '[::1]',
  ])('no address: %s', text => expect(parseAddress(text)).toBeUndefined());
});

describe('ranges', () => {
  test.each([
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.2.0.0/15', '10.3.255.255', true],
    ['10.2.0.0/15', '10.4.0.0', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'fc00::1', false],
    ['0.0.0.0/0', '1.2.3.4', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '1.2.3.4', false],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
  ])('%s has %s: %s', (range, address, expected) => {
    const cidr = parseCidr(range);
    const bytes = parseAddress(address);
    expect(cidr && bytes && contains(cidr, bytes)).toBe(expected);
  });

  test.each([
    '',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.1.2.3/8',
    'fd00::/129',
    'x/8',
    '10/8',
    'fe80::1%eth0',
  ])('no range: %s', text => expect(parseCidr(text)).toBeUndefined());
});
