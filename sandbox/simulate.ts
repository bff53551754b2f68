import { parseArgs } from 'node:util';

const HELP = `Usage: npm run simulate -- [--days 7] [--seed N] [--credentials 50]

Runs the operator for simulated days, on a virtual clock and in memory, with outages, throttling, lost answers, broken
watches, write conflicts, people who change things, restarts and crashes, all told by the seed; and holds what comes of
it against what is promised.

  --days N         how long; a day takes some four seconds, so 365 take about half an hour
  --seed TEXT      the same seed is the same run; by default one is drawn, and printed
  --credentials N  how many, of all flows; the first is of the 120-second kind
  --help           this text

Exit code 0: every promise held. 1: one was broken; each is printed with its time, and the seed. 2: wrong arguments.
`;

const PROGRESS_MS = 3000;

function readArguments(): { days: number; seed: string; credentials: number } | string {
  const { values } = parseArgs({
    options: {
      days: { type: 'string', default: '7' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      credentials: { type: 'string', default: '50' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return HELP;
  const days = Number(values.days);
  const credentials = Number(values.credentials);
  if (!(days > 0)) throw new Error(`--days: ${values.days} is not a number above 0`);
  if (!Number.isInteger(credentials) || credentials < 1)
    throw new Error(`--credentials: ${values.credentials} is not a whole number above 0`);
  return { days, seed: values.seed, credentials };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readArguments>;
  try {
    options = readArguments();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (typeof options === 'string') {
    process.stdout.write(options);
    return 0;
  }
  const { days, seed, credentials } = options;
  // Half a second of loading, which help and mistakes need not wait for.
  const { simulate } = await import('./simulation/simulation.ts');
  const began = performance.now();
  const seconds = (): string => ((performance.now() - began) / 1000).toFixed(0);
  process.stdout.write(`seed ${seed}: ${days} days, ${credentials} credentials\n`);
  let told = began;
  const report = await simulate({
    days,
    seed,
    credentials,
    onProgress: ({ day, requests, violations }) => {
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      process.stdout.write(
        `day ${day.toFixed(1).padStart(5)} of ${days}  ${requests} requests  ${violations.length} broken promises  ${seconds()} s\n`,
      );
    },
  });
  const events = [...report.events]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `${what} ${count}`);
  process.stdout.write(
    `\n${report.requests} requests, ${report.grants} tokens, ${report.refused} refused logins, ${report.restarts} restarts in ${seconds()} s\n${events.join(', ')}\n`,
  );
  for (const { at, promise, credential, detail } of report.violations) {
    process.stdout.write(`${new Date(at).toISOString()}  ${promise}  ${credential}  ${detail}\n`);
  }
  process.stdout.write(
    report.violations.length === 0
      ? 'every promise held\n'
      : `${report.violations.length} broken promises; again with --seed ${seed} --days ${days} --credentials ${credentials}\n`,
  );
  return report.violations.length === 0 ? 0 : 1;
}

process.exitCode = await main();
