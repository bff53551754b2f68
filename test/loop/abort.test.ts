import { expect, test } from 'vitest';
import { onAbort } from '../../src/loop/abort.ts';

test('all that wait for a signal are told, but for who no longer does', () => {
  const controller = new AbortController();
  const told: string[] = [];
  onAbort(controller.signal, () => told.push('a'));
  const forget = onAbort(controller.signal, () => told.push('b'));
  onAbort(controller.signal, () => told.push('c'));
  onAbort(new AbortController().signal, () => told.push('of another'));
  forget();
  controller.abort();
  controller.abort();
  expect(told).toEqual(['a', 'c']);
});
