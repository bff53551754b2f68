import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import { afterAll, describe, expect, it } from 'vitest';

/** The import rules must fire: a parser that no longer reads TypeScript would find nothing wrong with anything. */

const config = await extractDepcruiseOptions(
  fileURLToPath(new URL('../../.dependency-cruiser.cjs', import.meta.url)),
);
const forbidden = config.ruleSet?.forbidden ?? [];
const root = mkdtempSync(join(tmpdir(), 'imports-'));
afterAll(() => rmSync(root, { recursive: true }));

const WRONG = {
  'no-cycles': ['src/kube/a.ts', './b.ts', 'src/kube/b.ts', './a.ts'],
  'src-stands-alone': ['src/kube/sandboxed.ts', '../../sandbox/x.ts', 'sandbox/x.ts', ''],
  'loop-is-generic': ['src/loop/knowing.ts', '../api/x.ts', 'src/api/x.ts', ''],
  'api-is-the-contract': ['src/api/deep.ts', '../errors.ts', 'src/errors.ts', ''],
  'errors-is-a-leaf': ['src/errors.ts', './held.ts', 'src/held.ts', ''],
  'decide-is-pure': ['src/decide/reading.ts', 'node:fs', '', ''],
  'provider-knows-no-cluster': ['src/provider/clustered.ts', '../kube/x.ts', 'src/kube/x.ts', ''],
  'kube-knows-no-provider': ['src/kube/provided.ts', '../provider/x.ts', 'src/provider/x.ts', ''],
  'lead-knows-only-leases': ['src/lead/working.ts', '../steps/x.ts', 'src/steps/x.ts', ''],
  'observe-only-observes': ['src/observe/acting.ts', '../kube/y.ts', 'src/kube/y.ts', ''],
  'main-is-the-root': ['src/operator.ts', './main.ts', 'src/main.ts', ''],
} as const;

function write(path: string, imports: string): void {
  if (path === '') return;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  // Only the type: knowing a part's types is knowing that part.
  const line = imports === '' ? '' : `import type { x } from '${imports}';\n`;
  writeFileSync(join(root, path), `${line}export type x = 1;\n`);
}

const fired = (async () => {
  writeFileSync(join(root, 'package.json'), '{"type": "module"}');
  mkdirSync(join(root, 'src'));
  write('src/alone.ts', '');
  for (const [from, to, target, back] of Object.values(WRONG)) {
    write(target, back);
    write(from, to);
  }
  const { output } = await cruise(['src', 'sandbox'], {
    ...config,
    baseDir: root,
    validate: true,
  });
  if (typeof output === 'string') throw new Error('a report, not a result');
  return output.summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
})();

describe('the import rules', () => {
  it.each(Object.entries(WRONG))('%s fires, on a type import too', async (name, [from]) => {
    expect(await fired).toContain(`${name}: ${from}`);
  });

  it('no-orphans fires', async () => {
    expect(await fired).toContain('no-orphans: src/alone.ts');
  });

  it('are all shown to fire', () => {
    expect(forbidden.map(({ name }) => String(name)).toSorted()).toEqual(
      [...Object.keys(WRONG), 'no-orphans'].toSorted(),
    );
  });
});
