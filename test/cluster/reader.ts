import { readFileSync } from 'node:fs';

/** Runs in a pod: an application that holds a token and asks its provider each second whether it is alive. */

const { TOKEN, TOKEN_FILE, ASK = '' } = process.env;
let held = TOKEN ?? '';
let reads = 0;
let failedReads = 0;

function read(file: string): void {
  reads++;
  try {
    held = readFileSync(file, 'utf8');
  } catch {
    failedReads++;
  }
}

async function ask(): Promise<void> {
  const query = new URLSearchParams({ reads: String(reads), failedReads: String(failedReads) });
  const answer = await fetch(`${ASK}?${query}`, { method: 'POST', body: held });
  await answer.arrayBuffer();
}

if (TOKEN_FILE !== undefined) {
  read(TOKEN_FILE);
  setInterval(read, 50, TOKEN_FILE);
}
setInterval(() => {
  // whoever is asked sees what is missing
  ask().catch(() => {});
}, 1000);
