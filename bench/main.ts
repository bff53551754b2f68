import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { pathOf } from './lib/child.ts';
import { type Measured, measure } from './lib/measure.ts';
import { PAGE, page, RESULTS } from './lib/page.ts';
import { PLACES } from './lib/place.ts';
import { type Report, readReport, thisMachine, writeReport } from './lib/report.ts';
import { verdict } from './lib/row.ts';
import { asText } from './lib/table.ts';
import { BENCHES } from './rows/all.ts';

const HELP = `npm run bench [-- NAME…] [--smoke] [--less] [--json FILE] [--write]

Measures tokensync, in processor time where it can: a busy machine changes little of that. Each name is a benchmark;
without one all run.

${BENCHES.map(({ name, about }) => `  ${name.padEnd(9)} ${about}`).join('\n')}

  --smoke      As little work as shows that it works: its figures mean nothing.
  --less       Where the machine is too small for a benchmark, does as much as it bears, and says how much that was.
  --json FILE  Writes the figures to a file. What it holds of other benchmarks stays.
  --write      Writes the figures to ${RESULTS}, and ${PAGE} from it.
  --help       This text.

With KUBEBUILDER_ASSETS, the folder of etcd and kube-apiserver, the same is measured on a real API server too.
Exit codes: 0 when all work was done, whether goals were met or not; 1 when it was not, and then there are no figures
of it; 2 for wrong arguments.
`;

const Manifest = z.object({ version: z.string() });

interface Asked {
  readonly names: readonly string[];
  readonly smoke: boolean;
  readonly less: boolean;
  readonly write: boolean;
  readonly json: string | undefined;
}

function readArguments(args: string[]): Asked | 'help' | { wrong: string } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        smoke: { type: 'boolean', default: false },
        less: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return 'help';
    const unknown = positionals.find(name => !BENCHES.some(bench => bench.name === name));
    if (unknown !== undefined) return { wrong: `there is no benchmark ${JSON.stringify(unknown)}` };
    if (values.smoke && values.write) return { wrong: '--smoke measures nothing that could be written' };
    const { smoke, less, write, json } = values;
    return { names: positionals, smoke, less, write, json };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

async function keep(asked: Asked, found: Measured['found']): Promise<void> {
  const { version } = Manifest.parse(JSON.parse(await readFile(pathOf('../package.json'), 'utf8')));
  const on = thisMachine(new Date(), version);
  const into = async (path: string): Promise<Report> => {
    const report = await readReport(path);
    for (const [name, rows] of found) report[name] = { on, rows: [...rows] };
    await writeReport(path, report);
    return report;
  };
  if (asked.json !== undefined) await into(asked.json);
  if (asked.write) await writeFile(pathOf(`../${PAGE}`), page(await into(pathOf(`../${RESULTS}`))));
}

// What was started ends with us: in order, or by what is registered for our exit.
process.setMaxListeners(0);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const asked = readArguments(process.argv.slice(2));
if (asked === 'help') process.stdout.write(HELP);
else if ('wrong' in asked) {
  process.stderr.write(`bench: ${asked.wrong}\nSee npm run bench -- --help.\n`);
  process.exitCode = 2;
} else {
  const { names, smoke, less } = asked;
  const wanted = BENCHES.filter(({ name }) => names.length === 0 || names.includes(name));
  const able = wanted.filter(({ real }) => real !== true || PLACES.includes('real'));
  for (const { name } of wanted.filter(bench => !able.includes(bench)))
    process.stdout.write(`${name} was skipped: it needs a real API server.\n`);
  const { found, failed } = await measure(
    able,
    { smoke, less, say: text => process.stderr.write(`${text}\n`) },
    ({ name, about }, outcome) => {
      if (typeof outcome === 'string') process.stderr.write(`${name} was not done: ${outcome}\n`);
      else process.stdout.write(`\n${name}: ${about}\n${asText(outcome)}\n`);
    },
  );
  if (failed.size > 0) process.exitCode = 1;
  const missed = [...found.values()].flat().filter(row => verdict(row) === 'missed');
  if (!asked.smoke && missed.length > 0) process.stdout.write(`Goals missed: ${missed.length}.\n`);
  if (asked.smoke) process.stdout.write('Figures of a smoke test mean nothing.\n');
  if (PLACES.length === 1) process.stdout.write('No real API server: KUBEBUILDER_ASSETS is not set.\n');
  await keep(asked, found);
}
// Pooled connections would keep it for a while.
process.exit();
