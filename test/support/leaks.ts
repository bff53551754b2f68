import { afterAll, afterEach, expect } from 'vitest';
import { listenToWorlds } from '../../sandbox/world.ts';
import { WorldSearch } from './world-search.ts';

/** For every test file: all that any world's operators said is searched for secret values, after each test. */

/** Worlds of the test that runs, and those that the file's tests share. */
let ofTest: WorldSearch[] = [];
const ofFile: WorldSearch[] = [];

listenToWorlds(world => {
  const search = new WorldSearch(world);
  (expect.getState().currentTestName === undefined ? ofFile : ofTest).push(search);
  return search;
});

async function search(searches: readonly WorldSearch[]): Promise<void> {
  const leaks = (await Promise.all(searches.map(each => each.leaks()))).flat();
  expect(leaks, 'secret values outside Secrets').toEqual([]);
}

afterEach(async () => {
  const searches = [...ofTest, ...ofFile];
  ofTest = [];
  await search(searches);
});

afterAll(() => search(ofFile));
