import { beforeEach, describe, expect, test } from 'vitest';
import { Store } from '../../src/kube/store.ts';
import { newerVersion } from '../../src/kube/version.ts';

interface Item {
  metadata: { name: string; namespace?: string; resourceVersion: string };
  provider: string;
}

const item = (name: string, resourceVersion: string, provider = 'p', namespace = 'ns'): Item => ({
  metadata: { name, namespace, resourceVersion },
  provider,
});
const gone = (name: string, resourceVersion: string) => ({
  metadata: { name, namespace: 'ns', resourceVersion, uid: '' },
});

let store: Store<Item>;
let changes: string[];
beforeEach(() => {
  store = new Store();
  changes = [];
  store.onChange((key, old, next) => {
    changes.push(`${key} ${old?.metadata.resourceVersion ?? '-'} ${next?.metadata.resourceVersion ?? '-'}`);
  });
});

test.each([
  ['9', '10', false],
  ['10', '9', true],
  ['10', '10', false],
  ['', '1', false],
  ['1', '', true],
  ['18446744073709551616', '18446744073709551615', true],
])('newerVersion(%s, %s) is %s', (a, b, expected) => {
  expect(newerVersion(a, b)).toBe(expected);
});

describe('a feed', () => {
  test('tells what a list changed: new, newer, gone; and is silent about the rest', () => {
    const feed = store.feed();
    feed.replace([item('a', '1'), item('b', '2'), item('c', '3')], '5');
    changes.length = 0;
    feed.replace([item('a', '1'), item('b', '7'), item('d', '8')], '9');
    expect(changes).toEqual(['ns/b 2 7', 'ns/d - 8', 'ns/c 3 -']);
    expect([...store.values()].map(each => each.metadata.name).sort()).toEqual(['a', 'b', 'd']);
  });

  test('an older or equal event is no change', () => {
    const feed = store.feed();
    feed.upsert(item('a', '5'));
    feed.upsert(item('a', '5'));
    feed.upsert(item('a', '4'));
    expect(changes).toEqual(['ns/a - 5']);
  });

  test('of one namespace leaves the others alone', () => {
    const one = store.feed('one');
    const two = store.feed('two');
    one.replace([item('a', '1', 'p', 'one')], '3');
    two.replace([item('a', '2', 'p', 'two')], '3');
    one.replace([], '4');
    expect([...store.values()].map(each => each.metadata.namespace)).toEqual(['two']);
  });
});

describe('our own write against the watch', () => {
  test('its echo is no change', () => {
    const feed = store.feed();
    feed.replace([item('a', '1')], '1');
    expect(store.set(item('a', '4'))).toBe(true);
    feed.upsert(item('a', '4'));
    expect(changes).toEqual(['ns/a - 1', 'ns/a 1 4']);
  });

  test('a list made before it neither undoes nor deletes it', () => {
    const feed = store.feed();
    feed.replace([item('a', '1')], '1');
    store.set(item('a', '7'));
    store.set(item('new', '8'));
    changes.length = 0;
    feed.replace([item('a', '1')], '6');
    expect(changes).toEqual([]);
    expect(store.get('ns/new')).toBeDefined();
    feed.replace([item('a', '7')], '9');
    expect(changes).toEqual(['ns/new 8 -']);
  });

  test('an answer that comes after the deletion brings nothing back', () => {
    const feed = store.feed();
    feed.replace([item('a', '1')], '1');
    feed.remove(gone('a', '5'));
    expect(store.set(item('a', '4'))).toBe(false);
    expect(store.get('ns/a')).toBeUndefined();
    expect(store.set(item('a', '6'))).toBe(true);
  });

  test('the same, where the watch was passed by a bookmark or a list', () => {
    const feed = store.feed();
    feed.replace([], '10');
    expect(store.set(item('a', '9'))).toBe(false);
    feed.progress?.('20');
    expect(store.set(item('a', '15'))).toBe(false);
    expect(store.set(item('a', '21'))).toBe(true);
  });

  test('a late deletion does not remove what we made again since', () => {
    const feed = store.feed();
    feed.replace([item('a', '1')], '1');
    store.set(item('a', '9'));
    feed.remove(gone('a', '8'));
    expect(store.get('ns/a')?.metadata.resourceVersion).toBe('9');
    feed.remove(gone('a', '10'));
    expect(store.get('ns/a')).toBeUndefined();
  });
});

test('a history that was set back is taken as it is', () => {
  const feed = store.feed();
  feed.replace([item('a', '100'), item('b', '101')], '200');
  feed.replace([item('a', '90')], '150');
  expect([...store.values()].map(each => each.metadata.resourceVersion)).toEqual(['90']);
  expect(store.set(item('c', '151'))).toBe(true);
});

describe('indexes', () => {
  beforeEach(() => {
    store.index('provider', each => [each.provider]);
  });

  test('follow changes and removals', () => {
    const feed = store.feed();
    feed.replace([item('a', '1', 'x'), item('b', '2', 'x'), item('c', '3', 'y')], '3');
    expect(store.byIndex('provider', 'x')).toEqual(['ns/a', 'ns/b']);
    feed.upsert(item('a', '4', 'y'));
    feed.remove(gone('b', '5'));
    expect(store.byIndex('provider', 'x')).toEqual([]);
    expect([...store.byIndex('provider', 'y')].sort()).toEqual(['ns/a', 'ns/c']);
  });

  test('made later cover what is there', () => {
    store.feed().replace([item('a', '1', 'x')], '1');
    store.index('name', each => [each.metadata.name]);
    expect(store.byIndex('name', 'a')).toEqual(['ns/a']);
    expect(() => store.byIndex('nope', 'a')).toThrow('no index nope');
  });

  test('of values that are not kept tells two of the same hash apart', () => {
    const store = new Store<Item>();
    store.index('provider', each => [each.provider], 'hashed');
    const feed = store.feed();
    feed.upsert(item('a', '1', 'costarring'));
    feed.upsert(item('b', '2', 'liquid'));
    expect(store.byIndex('provider', 'costarring')).toEqual(['ns/a']);
    expect(store.byIndex('provider', 'liquid')).toEqual(['ns/b']);
    feed.upsert(item('b', '3', 'costarring'));
    expect(store.byIndex('provider', 'costarring')).toEqual(['ns/a', 'ns/b']);
    expect(store.byIndex('provider', 'liquid')).toEqual([]);
  });
});

test('as many as it is told are kept as they are', () => {
  let packed = 0;
  const packing = {
    pack: (value: Item) => {
      packed += 1;
      return Buffer.from(JSON.stringify(value));
    },
    unpack: (bytes: Buffer) => JSON.parse(bytes.toString()) as Item,
  };
  store = new Store<Item>({ packing, warm: 2 });
  for (const name of ['a', 'b', 'c']) store.set(item(name, '1'));
  expect([packed, store.get('ns/a')]).toEqual([1, item('a', '1')]);
});

test('a listener that throws keeps nothing from the others, nor the list from being whole', () => {
  const seen: string[] = [];
  const first = new Store<Item>();
  first.onChange(() => {
    throw new Error('broken');
  });
  first.onChange(key => seen.push(key));
  expect(() => first.feed().replace([item('a', '1'), item('b', '2')], '2')).toThrow('broken');
  expect(seen).toEqual(['ns/a', 'ns/b']);
  expect(first.size).toBe(2);
});

test('an unsubscribed listener hears no more', () => {
  const seen: string[] = [];
  const stop = store.onChange(key => seen.push(key));
  stop();
  store.set(item('a', '1'));
  expect(seen).toEqual([]);
});

test('what is dropped is gone from the indexes, and nobody is told', () => {
  store.index('provider', ({ provider }) => [provider]);
  store.feed().replace([item('a', '1', 'x'), item('b', '2', 'x')], '5');
  changes = [];
  store.drop(store.where(({ metadata }) => metadata.name === 'a'));
  expect([changes, store.size, store.byIndex('provider', 'x')]).toEqual([[], 1, ['ns/b']]);
});
