import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

/** What `kubectl apply -k` would send, by kubectl's own kustomize. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const folders = [process.env.KUBEBUILDER_ASSETS ?? '', ...(process.env.PATH ?? '').split(delimiter)];
const kubectl = folders
  .map(folder => join(folder, 'kubectl'))
  .find(path => path !== 'kubectl' && existsSync(path));

/** Why nothing can be rendered here; undefined where it can. */
export const skipped = kubectl === undefined ? 'no kubectl on PATH or in KUBEBUILDER_ASSETS' : undefined;

const Names = z.record(z.string(), z.string());

export const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    labels: Names.default({}),
  }),
});
export type Manifest = z.infer<typeof Manifest>;

/** @param folder from the repository's root. */
export function render(folder: string): Manifest[] {
  if (kubectl === undefined) throw new Error(skipped);
  const text = execFileSync(kubectl, ['kustomize', join(ROOT, folder)], { encoding: 'utf8' });
  return parseAllDocuments(text).map(document => Manifest.parse(document.toJS()));
}

/** Renders as a user's own overlay over folders of the repository would. @param text of its kustomization.yaml, with `$(deploy)`. */
export function renderOver(text: string, tmp: string): Manifest[] {
  // Where the path has a symbolic link in it, a relative one out of it would lead elsewhere.
  const folder = mkdtempSync(join(realpathSync(tmp), 'overlay-'));
  try {
    const deploy = relative(folder, join(realpathSync(ROOT), 'deploy'));
    writeFileSync(join(folder, 'kustomization.yaml'), text.replaceAll('$(deploy)', deploy));
    return render(relative(ROOT, folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function only(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter(
    each => each.kind === kind && (name === undefined || each.metadata.name === name),
  );
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`${found.length} of ${kind} ${name ?? ''}`);
  return first;
}
