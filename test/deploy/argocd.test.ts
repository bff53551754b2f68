import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { CREDENTIAL_KIND, GROUP, PROVIDER_KIND } from '../../src/api/names.ts';
import { REASONS } from '../../src/api/reasons.ts';
import { admit } from '../api/admission.ts';
import type { Manifest } from '../api/objects.ts';
import { runLua } from './lua.ts';
import { only, renderOver, skipped } from './render.ts';

/** The health checks that Argo CD gets, against objects as an operator left them (statuses/). */

const ConfigMap = z.object({ data: z.record(z.string(), z.string()) });
const Health = z.strictObject({
  status: z.enum(['Healthy', 'Progressing', 'Degraded', 'Suspended']),
  message: z.string().min(1),
});
const Stored = z.looseObject({ kind: z.enum([CREDENTIAL_KIND, PROVIDER_KIND]) });

const here = (path: string): URL => new URL(path, import.meta.url);
const CHECKS = ConfigMap.parse(parse(readFileSync(here('../../deploy/argocd/argocd-cm.yaml'), 'utf8'))).data;

const EXPECTED: Readonly<Record<string, z.infer<typeof Health>['status']>> = {
  'credential-fresh': 'Progressing',
  'credential-first-login': 'Progressing',
  'credential-ready': 'Healthy',
  'credential-edited': 'Progressing',
  // a token that still lives is no failed rollout
  'credential-refresh-fails': 'Healthy',
  'credential-expired': 'Degraded',
  'credential-rejected': 'Degraded',
  'credential-stalled': 'Degraded',
  'credential-inputs-changed': 'Progressing',
  'credential-suspended': 'Suspended',
  'credential-suspended-expired': 'Suspended',
  // these may come three seconds later
  'credential-source-missing': 'Progressing',
  'credential-unreachable': 'Progressing',
  // this needs a person
  'credential-flow-unknown': 'Degraded',
  'provider-fresh': 'Progressing',
  'provider-accepted': 'Healthy',
  'provider-refused': 'Degraded',
  'provider-saturated': 'Healthy',
};

function stored(name: string) {
  return Stored.parse(parse(readFileSync(here(`./statuses/${name}.yaml`), 'utf8')));
}

async function health(object: z.infer<typeof Stored>): Promise<z.infer<typeof Health>> {
  const check = CHECKS[`resource.customizations.health.${GROUP}_${object.kind}`];
  if (check === undefined) throw new Error(`no check for ${object.kind}`);
  return Health.parse(await runLua(check, object));
}

describe('stored statuses', () => {
  test('are all expected something of, and are what the CRDs take', () => {
    const names = readdirSync(here('./statuses')).map(file => file.replace(/\.yaml$/, ''));
    expect(names.toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
    for (const name of names) {
      const { unknown, causes } = admit(stored(name) as Manifest);
      expect({ name, unknown, causes }).toEqual({ name, unknown: [], causes: [] });
    }
  });

  test.each(Object.entries(EXPECTED))('%s is %s', async (name, status) => {
    expect((await health(stored(name))).status).toBe(status);
  });
});

describe('health', () => {
  test('tells what stands in the way', async () => {
    expect((await health(stored('credential-stalled'))).message).toMatch(/refused this login 3 times/);
    expect((await health(stored('credential-refresh-fails'))).message).toMatch(
      /live token.*last attempt failed/,
    );
  });

  test('tells that a provider is saturated, which is no failed rollout', async () => {
    expect((await health(stored('provider-saturated'))).message).toMatch(/tokens will be late/);
  });

  test('speaks of reasons that there are', () => {
    const check = CHECKS[`resource.customizations.health.${GROUP}_${CREDENTIAL_KIND}`] ?? '';
    const words = check.match(/\b[A-Z][a-z]+(?:[A-Z][a-z]+)+(?= = true)|(?<=reason == ")\w+/g) ?? [];
    expect(words.length).toBeGreaterThan(6);
    for (const word of words) expect(Object.keys(REASONS)).toContain(word);
  });
});

describe.skipIf(skipped !== undefined)('for who installs Argo CD with kustomize', () => {
  test('the checks are added to what its ConfigMap says', () => {
    const manifests = renderOver(
      `components: [$(deploy)/argocd]
configMapGenerator:
  - {name: argocd-cm, namespace: argocd, literals: [url=https://argo.example], options: {disableNameSuffixHash: true}}
`,
      tmpdir(),
    );
    const { data } = ConfigMap.parse(only(manifests, 'ConfigMap', 'argocd-cm'));
    expect(data).toEqual({ url: 'https://argo.example', ...CHECKS });
  });
});
