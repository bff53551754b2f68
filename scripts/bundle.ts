import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, type Metafile, type Plugin } from 'esbuild';
import { z } from 'zod';

/** Makes of src one file that runs without node_modules, its source map, and the licences of what is inside: in `dist`, or the folder named. */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { positionals } = parseArgs({ allowPositionals: true });
const FOLDER = resolve(ROOT, positionals[0] ?? 'dist');
const Package = z.object({ version: z.string(), license: z.string().default('see below') });
const LIBRARY = '@kubernetes/client-node';
const GENERATED = `/${LIBRARY}/dist/gen/index.js`;

/** Only a kubeconfig needs this library, and of it only the user's part; the clients it generates for each kind are 16 MB, which are not even read. */
const userPartOnly: Plugin = {
  name: 'user-part-only',
  setup: bundler => {
    const seen = Symbol('resolved by this plugin');
    bundler.onResolve({ filter: /./ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === seen) return undefined;
      const wanted = path === LIBRARY ? `${LIBRARY}/dist/config.js` : path;
      if (wanted === path && !from.importer.includes(`/${LIBRARY}/`)) return undefined;
      const { importer, namespace, resolveDir, kind } = from;
      const found = await bundler.resolve(wanted, {
        importer,
        namespace,
        resolveDir,
        kind,
        pluginData: seen,
      });
      if (found.path.endsWith(GENERATED)) return { path: found.path, namespace: 'generated' };
      // it doesn't say itself that its modules only declare
      return found.path.includes(`/${LIBRARY}/`) ? { ...found, sideEffects: false } : found;
    });
    bundler.onLoad({ filter: /./, namespace: 'generated' }, ({ path }) => ({
      contents: "export * from './configuration.js'; export * from './servers.js';",
      resolveDir: dirname(path),
    }));
  },
};

/** Node reads the whole map at its start, and holds it: 17 MB with positions in our code, and 75 with those in libraries, whose file must do. */
const ONE_POSITION = JSON.stringify({ version: 3, sources: [''], mappings: 'AAAA' });
/** One character that is not ASCII, and V8 holds the whole file at two bytes each; esbuild itself leaves regular expressions as they are. */
const inAscii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
/** What is needed for HTTP/2 is loaded when a server speaks it, which ours are not asked to. */
const later = (text: string): string =>
  text.replace(
    "const connectH2 = require('./client-h2.js')",
    "const connectH2 = (...args) => require('./client-h2.js')(...args)",
  );
const ownPositionsOnly: Plugin = {
  name: 'own-positions-only',
  setup: bundler => {
    bundler.onLoad({ filter: /node_modules.*\.[cm]?js$/ }, async ({ path }) => ({
      contents: `${inAscii(later(await readFile(path, 'utf8')))}\n//# sourceMappingURL=data:application/json,${encodeURIComponent(ONE_POSITION)}`,
      loader: 'default',
    }));
  },
};

/** Of undici only what is used: its front loads a fetch, WebSockets, caches and mocks with it. And yaml, CommonJS, by names: alone in a file it has none. */
const PARTS: Readonly<Record<string, string>> = {
  undici: `
    import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
    import api from 'undici/lib/api/index.js';
    Object.assign(Dispatcher.prototype, api);
    export { default as buildConnector } from 'undici/lib/core/connect.js';
    export { default as Agent } from 'undici/lib/dispatcher/agent.js';
    export { default as Pool } from 'undici/lib/dispatcher/pool.js';
    export { default as ProxyAgent } from 'undici/lib/dispatcher/proxy-agent.js';`,
  yaml: "export { parse } from 'yaml';",
};
const usedPartsOnly: Plugin = {
  name: 'used-parts-only',
  setup: bundler => {
    bundler.onResolve({ filter: /^(undici|yaml)$/ }, ({ path, importer }) =>
      importer.startsWith(join(ROOT, 'src')) ? { path, namespace: 'part' } : undefined,
    );
    bundler.onLoad({ filter: /./, namespace: 'part' }, ({ path }) => ({
      contents: PARTS[path] ?? '',
      resolveDir: ROOT,
    }));
  },
};

/** zod's `z` holds its texts in fifty languages; a namespace of the importer's own holds what is used. */
const usedZodOnly: Plugin = {
  name: 'used-zod-only',
  setup: bundler => {
    bundler.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace(
        /^import \{ z \} from 'zod';$/m,
        "import * as z from 'zod';",
      ),
      loader: 'ts',
    }));
  },
};

/**
 * An `import` of a module of Node's reads all that it exports, also what is loaded when it is read: with `node:http` comes
 * Node's own fetch, which is 6 MB.
 */
const builtinsAsTheyAre: Plugin = {
  name: 'builtins-as-they-are',
  setup: bundler => {
    bundler.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined,
    );
    bundler.onLoad({ filter: /^node:/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: { tokensync: 'src/main.ts' },
  outdir: FOLDER,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // what only a kubeconfig needs is a file of its own, and read when there is one
  splitting: true,
  chunkNames: '[name]-[hash]',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // CommonJS packages ask for Node's own modules by `require`, which a module doesn't have
  banner: {
    js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);",
  },
  minifySyntax: true,
  minifyWhitespace: true,
  // Node prints the line that an uncaught error was thrown in
  lineLimit: 160,
  // stack traces need positions alone
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  plugins: [builtinsAsTheyAre, userPartOnly, usedPartsOnly, usedZodOnly, ownPositionsOnly],
});
const packages = sizes(metafile);
await writeFile(join(FOLDER, 'THIRD-PARTY-LICENSES.txt'), await licences([...packages.keys()].toSorted()));
report(metafile, packages);

/** @returns bytes in the bundle by package; ours is left out. */
function sizes({ outputs }: Metafile): Map<string, number> {
  const found = new Map<string, number>();
  for (const { inputs } of Object.values(outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[0];
      if (name !== undefined && bytesInOutput > 0) found.set(name, (found.get(name) ?? 0) + bytesInOutput);
    }
  return found;
}

async function licences(folders: readonly string[]): Promise<string> {
  const texts = await Promise.all(
    folders.map(async folder => {
      const files = (await readdir(join(ROOT, folder))).filter(name => /^(licen[cs]e|notice)/i.test(name));
      const all = await Promise.all(files.map(name => readFile(join(ROOT, folder, name), 'utf8')));
      const text = await readFile(join(ROOT, folder, 'package.json'), 'utf8');
      const { version, license } = Package.parse(JSON.parse(text));
      const name = folder.replace(/.*node_modules\//, '');
      return `==== ${name} ${version} (${license})\n\n${all.join('\n')}`;
    }),
  );
  return `${texts.join('\n')}\n`;
}

function report({ outputs }: Metafile, packages: ReadonlyMap<string, number>): void {
  const kB = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;
  for (const [path, { bytes }] of Object.entries(outputs)) process.stdout.write(`${path} ${kB(bytes)}\n`);
  const largest = [...packages].toSorted(([, a], [, b]) => b - a).slice(0, 6);
  const told = largest.map(([folder, bytes]) => `${folder.replace(/.*node_modules\//, '')} ${kB(bytes)}`);
  process.stdout.write(`${packages.size} packages inside; the largest: ${told.join(', ')}\n`);
}
