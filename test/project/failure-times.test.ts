import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

const ROW = /^\| `(?<name>[A-Z_]+)` \| `(?<file>src\/[\w/-]+\.ts)` \| (?<seconds>[\d.]+) s \|/gm;
const rows = [...read('docs/failure-times.md').matchAll(ROW)].map(({ groups }) => groups ?? {});

test('the table is read', () => expect(rows.length).toBeGreaterThan(15));

test.each(rows)('$name of $file is $seconds s, as the docs say', ({ name, file, seconds }) => {
  const value = new RegExp(`^const ${name} = ([\\d_]+);$`, 'm').exec(read(file ?? ''))?.[1];
  expect(Number(value?.replaceAll('_', '')) / 1000).toBe(Number(seconds));
});
