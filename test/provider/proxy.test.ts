import { expect, test } from 'vitest';
import { proxyFor, proxySettings } from '../../src/provider/proxy.ts';

const SECURE = 'http://secure.test:3128/';
const PLAIN = 'http://plain.test:3128/';

test.each<[string, string, boolean]>([
  // NO_PROXY, target, whether it goes directly
  ['', 'https://a.test/', false],
  ['*', 'https://a.test/', true],
  ['a.test', 'https://a.test/', true],
  ['A.Test', 'https://a.test./', true],
  ['a.test', 'https://b.a.test/', true],
  ['a.test', 'https://ba.test/', false],
  ['.a.test', 'https://b.a.test/', true],
  ['.a.test', 'https://a.test/', false],
  ['*.a.test', 'https://b.a.test/', true],
  ['a.test:8443', 'https://a.test:8443/', true],
  ['a.test:8443', 'https://a.test/', false],
  ['a.test:443', 'https://a.test/', true],
  ['10.0.0.0/8', 'https://10.1.2.3/', true],
  ['10.0.0.0/8', 'https://11.1.2.3/', false],
  ['10.1.2.3/8', 'https://10.9.9.9/', true],
  ['10.1.2.3/8', 'https://11.1.2.3/', false],
  ['[fd00::1/8]', 'https://[fd99::2]/', true],
  ['10.0.0.0/8', 'https://a.test/', false],
  ['10.1.2.3', 'https://10.1.2.3:8443/', true],
  ['10.1.2.3:443', 'https://10.1.2.3/', true],
  ['fd00::/8', 'https://[fd00::1]/', true],
  ['[::1]', 'https://[::1]/', true],
  ['::1', 'https://[::1]/', true],
  ['x, a.test  y', 'https://a.test/', true],
])('NO_PROXY=%s %s direct: %s', (NO_PROXY, target, direct) => {
  const { settings } = proxySettings({ HTTPS_PROXY: SECURE, HTTP_PROXY: PLAIN, NO_PROXY });
  expect(proxyFor(new URL(target), settings)).toBe(direct ? undefined : SECURE);
  const lower = proxySettings({ https_proxy: SECURE, http_proxy: PLAIN, no_proxy: NO_PROXY });
  expect(lower.settings).toEqual(settings);
});

test('the scheme of the target chooses', () => {
  const { settings } = proxySettings({ HTTP_PROXY: 'plain.test:3128' });
  expect(proxyFor(new URL('http://a.test/'), settings)).toBe(PLAIN);
  expect(proxyFor(new URL('https://a.test/'), settings)).toBeUndefined();
});

test('a mistake is told without its value', () => {
  const { problems } = proxySettings({
    HTTPS_PROXY: 'socks5://u:canary@x.test',
    http_proxy: 'http://[canary',
  });
  expect(problems).toEqual([
    'HTTPS_PROXY must be an http:// or https:// URL',
    'HTTP_PROXY must be an http:// or https:// URL',
  ]);
});

test.each([
  'http://us%er:pw@proxy.test',
  'http://user:p%w@proxy.test:3128',
  'us%:er@proxy.test',
  'u%4:1@p.test',
])('a user or password with a lone percent sign is told without its value: %s', HTTPS_PROXY => {
  expect(proxySettings({ HTTPS_PROXY }).problems).toEqual([
    'HTTPS_PROXY: write % as %25 in its user and password',
  ]);
});

test('an encoded percent sign is none', () => {
  const { settings, problems } = proxySettings({ HTTPS_PROXY: 'http://us%25er:pw@proxy.test:3128' });
  expect([settings.https, problems]).toEqual(['http://us%25er:pw@proxy.test:3128/', []]);
});

test.each(['10.0.0.0/33', 'a.test/8', 'http://a.test', 'a.test/path', '10.0.0/8'])(
  'NO_PROXY with %s: told by its place',
  entry => {
    expect(proxySettings({ NO_PROXY: `a.test, ${entry}` }).problems).toEqual([
      'entry 2 of NO_PROXY must be a range such as 10.0.0.0/8, or a host without a path',
    ]);
  },
);
