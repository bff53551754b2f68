import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { REFERENCE_PATH, reference } from '../../scripts/reference.ts';
import { REASONS } from '../../src/api/reasons.ts';

const page = reference();

describe('the reference', () => {
  it('is what the sources say', () => {
    const committed = readFileSync(new URL(`../../${REFERENCE_PATH}`, import.meta.url), 'utf8');
    expect(page, 'run: npm run generate').toBe(committed);
  });

  it.each(Object.entries(REASONS))('tells of %s what it means and what to do', (reason, text) => {
    expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(text).toMatch(/^[A-Za-z].{10,}; .{4,}\.$/);
    expect(page).toContain(`| \`${reason}\` |`);
  });
});
