import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { API_VERSION } from '../../src/api/names.ts';
import { admit } from './admission.ts';

/** Every manifest of ours that the repository ships is one that the API server takes, without a misspelt field. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const Manifest = z.record(z.string(), z.json());

const manifests = ['deploy', 'examples', 'sandbox', 'docs']
  .filter(folder => existsSync(`${root}/${folder}`))
  .flatMap(folder => globSync(`${folder}/**/*.{yaml,yml}`, { cwd: root }))
  .toSorted()
  .flatMap(path =>
    parseAllDocuments(readFileSync(`${root}/${path}`, 'utf8')).map((document, index) => {
      expect(document.errors, path).toEqual([]);
      return { path: `${path} (${index + 1})`, manifest: Manifest.safeParse(document.toJS()).data };
    }),
  )
  .flatMap(({ path, manifest }) => (manifest?.apiVersion === API_VERSION ? [{ path, manifest }] : []));

describe('shipped manifests', () => {
  it('are there', () => {
    expect(manifests.length).toBeGreaterThanOrEqual(5);
  });

  it.each(manifests)('$path is accepted whole', ({ manifest }) => {
    const { unknown, causes } = admit(manifest);
    expect({ unknown, causes }).toEqual({ unknown: [], causes: [] });
  });
});
