import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { CREDENTIAL_KIND } from '../../src/api/names.ts';

/** The examples fit each other and the definitions: whoever applies them as they are gets what they say. */

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));
const yamlIn = (folder: string): string[] =>
  readdirSync(`${deploy}/${folder}`)
    .filter(name => name.endsWith('.yaml'))
    .map(name => `${folder}/${name}`);
const read = (path: string): string => readFileSync(`${deploy}/${path}`, 'utf8');

const Provider = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ defaultFlow: z.string().optional(), flows: z.array(z.object({ name: z.string() })) }),
});
const Credential = z.object({
  kind: z.literal(CREDENTIAL_KIND),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    providerRef: z.object({ name: z.string() }),
    flow: z.string().optional(),
    target: z.object({ name: z.string().optional(), data: z.unknown() }).default({ data: undefined }),
  }),
});
const KeyRef = z.object({ name: z.string(), key: z.string() });
const Pod = z.object({
  spec: z.object({
    containers: z.array(
      z.object({
        args: z.array(z.string()),
        env: z.array(z.object({ valueFrom: z.object({ secretKeyRef: KeyRef }) })).default([]),
      }),
    ),
    volumes: z.array(z.object({ secret: z.object({ secretName: z.string() }) })).default([]),
  }),
});

const providers = yamlIn('providers').map(path => Provider.parse(parse(read(path))));
const credentials = yamlIn('examples')
  .flatMap(path => parseAllDocuments(read(path)).map(document => Credential.safeParse(document.toJS()).data))
  .filter(credential => credential !== undefined);
const targets = new Map(credentials.map(({ metadata, spec }) => [spec.target.name ?? metadata.name, spec]));

describe('deploy/examples', () => {
  test('show every flow of every provider', () => {
    const flows = providers.flatMap(({ metadata, spec }) =>
      spec.flows.map(({ name }) => `${metadata.name}/${name}`),
    );
    const shown = credentials.map(({ spec: { providerRef, flow } }) => {
      const provider = providers.find(({ metadata }) => metadata.name === providerRef.name);
      return `${providerRef.name}/${flow ?? provider?.spec.defaultFlow ?? provider?.spec.flows[0]?.name}`;
    });
    expect(shown.toSorted()).toEqual(flows.toSorted());
  });

  test.each(['Kustomization', '../providers/Kustomization'])('%s names every file', path => {
    const folder = path.startsWith('..') ? 'providers' : 'examples';
    const { resources } = z.object({ resources: z.array(z.string()) }).parse(parse(read(`examples/${path}`)));
    expect(resources.map(file => `${folder}/${file}`).toSorted()).toEqual(yamlIn(folder).toSorted());
  });

  test.each(yamlIn('examples/pods'))('%s takes keys that its Secret has', path => {
    const { containers, volumes } = Pod.parse(parse(read(path))).spec;
    const wanted = [
      ...containers.flatMap(({ env }) => env.map(({ valueFrom }) => valueFrom.secretKeyRef)),
      ...volumes.flatMap(({ secret: { secretName: name } }) =>
        containers.flatMap(({ args }) =>
          [...args.join(' ').matchAll(/\/token\/(\w+)/g)].map(([, key = '']) => ({ name, key })),
        ),
      ),
    ];
    expect(wanted).toHaveLength(2);
    for (const { name, key } of wanted) {
      const target = targets.get(name);
      expect(target, name).toBeDefined();
      // the default keys
      expect(target?.target.data).toBeUndefined();
      expect(['token', 'token_type', 'header_name', 'header_value', 'expires_at']).toContain(key);
    }
  });
});
