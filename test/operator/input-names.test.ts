import { expect, test } from 'vitest';
import { acme } from './acme.ts';

test.each(['constructor', 'toString'])('an input may be called %s', async input => {
  const t = acme();
  t.provider('named', {
    defaultFlow: 'named',
    flows: [
      {
        name: 'named',
        inputs: [input],
        login: {
          request: { path: '/login', json: { key: `$(input.${input})` } },
          response: { token: 'body.access' },
        },
      },
    ],
  });
  t.source('a', { [input]: 'c4n4ry' });
  t.credential('a', { providerRef: { name: 'named' } });
  await t.advance(1000);
  expect(t.condition('a', 'Ready')).toMatchObject({ status: 'True' });
});
