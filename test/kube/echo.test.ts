import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../sandbox/virtual-clock.ts';
import { readObjectMeta } from '../../src/api/meta.ts';
import type { Endpoint } from '../../src/kube/endpoint.ts';
import { ListWatch } from '../../src/kube/list-watch.ts';
import { Store } from '../../src/kube/store.ts';
import { metadataOf, versionAtOnce } from '../../src/kube/watch-event.ts';
import { clientOf, FakeApi, MemoryLog, until } from './fake-api.ts';

const line = (type: string, object: unknown): string => JSON.stringify({ type, object });
const secret = (resourceVersion: string, more: Record<string, unknown> = {}) => ({
  metadata: { name: 'a', namespace: 'ns', resourceVersion, ...more },
});

describe('the version of a change is told without parsing', () => {
  test.each([
    ['a change', line('MODIFIED', secret('12')), '12'],
    ['a new object', line('ADDED', secret('12')), '12'],
    [
      'a text that quotes one',
      line('MODIFIED', secret('12', { labels: { a: '"resourceVersion":"13"' } })),
      '12',
    ],
    ['a deletion', line('DELETED', secret('12')), undefined],
    ['a bookmark', line('BOOKMARK', secret('12')), undefined],
    [
      'a key of that name elsewhere',
      line('MODIFIED', secret('12', { a: { resourceVersion: '13' } })),
      undefined,
    ],
    ['one without', line('MODIFIED', { metadata: { name: 'a' } }), undefined],
  ])('%s', (_what, text, version) => {
    expect(versionAtOnce(text)).toBe(version);
  });
});

describe('the echo of a write', () => {
  interface Item {
    metadata: NonNullable<ReturnType<typeof metadataOf>>;
  }
  const item = (version: string): Item => {
    const metadata = readObjectMeta(secret(version).metadata);
    if (metadata === undefined) throw new Error('no metadata');
    return { metadata };
  };
  let api: FakeApi;
  let endpoint: Endpoint;
  let store: Store<Item>;
  let watch: ListWatch<Item>;
  let read: string[];

  beforeEach(async () => {
    api = await FakeApi.start();
    const clock = new VirtualClock({ startMs: 0 });
    const { client, ...rest } = clientOf(api.url, clock);
    endpoint = rest.endpoint;
    store = new Store();
    read = [];
    watch = new ListWatch<Item>({
      client,
      path: '/api/v1/secrets',
      parse: raw => {
        const metadata = metadataOf(raw);
        read.push(metadata?.resourceVersion ?? '');
        return metadata && { metadata };
      },
      handler: store.feed(),
      clock,
      random: { next: () => 0 },
      log: new MemoryLog(),
      name: 'secrets',
    });
    watch.start();
  });
  afterEach(async () => {
    await watch.stop();
    await endpoint.close();
    await api.close();
  });

  const opened = async () => {
    const call = (await api.next()).open().event('ADDED', secret('1')).bookmark('10', true);
    await watch.synced;
    return call;
  };
  const version = (): string | undefined => store.get('ns/a')?.metadata.resourceVersion;

  test('is not read, and the next watch goes on after it', async () => {
    const call = await opened();
    store.set(item('11'));
    call.event('MODIFIED', secret('11')).end();
    expect((await api.next()).param('resourceVersion')).toBe('11');
    expect([read, version()]).toEqual([['1'], '11']);
  });

  test('is one time: what brings that version again is read', async () => {
    const call = await opened();
    store.set(item('11'));
    const other = { metadata: { ...secret('11').metadata, name: 'b' } };
    call.event('MODIFIED', secret('11')).event('MODIFIED', other);
    await until(() => store.get('ns/b') !== undefined, 'the event');
    expect(read).toEqual(['1', '11']);
  });

  test('another version is read', async () => {
    const call = await opened();
    store.set(item('11'));
    call.event('MODIFIED', secret('12'));
    await until(() => version() === '12', 'the event');
  });

  test('of a watch that ended is read: what it tells may be of another history', async () => {
    const call = await opened();
    store.set(item('11'));
    call.end();
    const next = (await api.next()).open();
    next.event('MODIFIED', { metadata: { ...secret('11').metadata, name: 'b' } });
    await until(() => store.get('ns/b') !== undefined, 'the event');
  });
});
