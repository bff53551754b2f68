import { expect, test } from 'vitest';
import { Memories } from '../../src/steps/memories.ts';
import { type Memory, newMemory } from '../../src/steps/memory.ts';

const filled = (uid: string): Memory => ({
  ...newMemory(uid),
  source: {
    name: 'login',
    keys: 'username',
    version: '3',
    inputs: { ok: true, value: { username: '#1', password: '__proto__' } },
  },
  target: { name: 'token', version: '7', intact: true },
  token: {
    held: {
      account: 'v1:k:a',
      inputs: 'v1:k:b',
      source: 'login:username',
      issuedAt: 1_767_441_600_123,
      grant: 'Login',
      grants: 1,
      sessionSequence: 0,
    },
    token: { token: '2026-01-03T12:00:00Z', outputs: { instance_url: 'x' } },
  },
});

/** Looked at once each, in this order. */
function looked(memories: Memories, ...uids: string[]): void {
  for (const uid of uids) {
    memories.set(`ns/${uid}`, filled(uid));
    memories.rest(`ns/${uid}`);
  }
}

test('what was not looked at for long comes back as it was', () => {
  const memories = new Memories(1);
  looked(memories, 'a', 'b', 'c');
  expect(memories.versionsOf('ns/a')).toEqual({ target: filled('a').target, session: undefined });
  expect(memories.uidOf('ns/a')).toBe('a');
  const woken = memories.hold('ns/a', 'a');
  expect(woken).toEqual(filled('a'));
  expect(memories.hold('ns/a', 'a')).toBe(woken);
});

test('what is being looked at stays the very same', () => {
  const memories = new Memories(1);
  const held = filled('a');
  memories.set('ns/a', held);
  memories.rest('ns/a');
  expect(memories.hold('ns/a', 'a')).toBe(held);
  looked(memories, 'b', 'c');
  held.lastAttempt = 'x';
  memories.rest('ns/a');
  expect(memories.hold('ns/a', 'a')).toBe(held);
});

test('all can rest at once, but for what is being looked at, or is still to be saved', () => {
  const memories = new Memories();
  looked(memories, 'a', 'b');
  const [held, unsaved] = [filled('c'), { ...filled('d'), unsavedSession: { uid: 'd', sequence: 1 } }];
  memories.set('ns/c', held);
  memories.set('ns/d', unsaved);
  memories.rest('ns/d');
  memories.restAll();
  expect(memories.hold('ns/a', 'a')).toEqual(filled('a'));
  expect(memories.hold('ns/c', 'c')).toBe(held);
  expect(memories.hold('ns/d', 'd')).toBe(unsaved);
});

test('an answer that is still to be saved is not put away', () => {
  const memories = new Memories(1);
  const unsaved = { ...filled('a'), unsavedSession: { uid: 'a', sequence: 1 } };
  memories.set('ns/a', unsaved);
  memories.rest('ns/a');
  looked(memories, 'b', 'c');
  expect([...memories.unsaved()]).toEqual([{ key: 'ns/a', uid: 'a' }]);
  expect(memories.hold('ns/a', 'a')).toBe(unsaved);
});

test('nothing of one UID serves another', () => {
  const memories = new Memories(1);
  looked(memories, 'a', 'b');
  expect(memories.hold('ns/a', 'another')).toBeUndefined();
  memories.delete('ns/a');
  expect(memories.has('ns/a')).toBe(false);
});
