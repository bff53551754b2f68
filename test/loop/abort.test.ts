import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { processHeap } from '../../src/at-rest.ts';
import { eitherOf, onAbort } from '../../src/loop/abort.ts';

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

describe('either of two signals', () => {
  test.each([
    [true, false],
    [false, true],
    [true, true],
  ])('aborts once, with the first (%j, %j)', (one, other) => {
    const controllers = [new AbortController(), new AbortController()] as const;
    const signal = eitherOf(controllers[0].signal, controllers[1].signal);
    let told = 0;
    onAbort(signal, () => (told += 1));
    expect(signal.aborted).toBe(false);
    if (one) controllers[0].abort();
    if (other) controllers[1].abort();
    expect([signal.aborted, told]).toEqual([true, 1]);
  });

  test('is aborted where one is', () => {
    const never = new AbortController().signal;
    expect(eitherOf(AbortSignal.abort(), never).aborted).toBe(true);
    expect(eitherOf(never, AbortSignal.abort()).aborted).toBe(true);
    expect(eitherOf(never, never).aborted).toBe(false);
  });

  const lasting = new AbortController();
  test.each([
    ['both are forgotten', () => new AbortController(), () => {}],
    ['one has aborted, though the other goes on', () => lasting, (one: AbortController) => one.abort()],
  ])('keeps nothing of who waited for it, once %s', async (_, other, end) => {
    const wait = (): WeakRef<object> => {
      const waiting = {};
      const one = new AbortController();
      onAbort(eitherOf(one.signal, other().signal), () => waiting);
      end(one);
      return new WeakRef(waiting);
    };
    const kept = wait();
    await nextTurn();
    processHeap().collect(true);
    expect(kept.deref()).toBeUndefined();
  });
});
