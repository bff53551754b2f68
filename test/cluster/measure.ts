import { z } from 'zod';
import { kubectlJson } from './kubectl.ts';
import { leader, logs, pods } from './operator.ts';
import { processOf, residentMiB, startOf } from './processes.ts';
import { say, seconds } from './report.ts';

/** What the image costs: its size, its start, its memory. */

const isOurs = (name: string): boolean => name.includes('localhost/tokensync');

export async function measureStart(): Promise<void> {
  const Node = z.object({
    status: z.object({
      images: z.array(z.object({ names: z.array(z.string()).nullish(), sizeBytes: z.number() })),
    }),
  });
  const { items } = await kubectlJson(z.object({ items: z.array(Node) }), ['get', 'nodes']);
  const image = items.flatMap(({ status }) => status.images).find(({ names }) => names?.some(isOurs));
  say(`image: ${((image?.sizeBytes ?? 0) / 1_000_000).toFixed(1)} MB on the node`);
  const leading = await leader();
  for (const { metadata, status } of await pods()) {
    const ready = status.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
    const lines = await logs(metadata.name);
    const started = await startOf(await processOf(metadata.name));
    const after = (what: string, msg: string): string => {
      const line = lines.find(each => each.msg === msg);
      return line === undefined ? '' : `, ${what} ${seconds(Date.parse(String(line.time)) - started)}`;
    };
    const role = metadata.name === leading ? 'leads' : 'stands by';
    const readyAfter = seconds(Date.parse(ready) - Date.parse(metadata.creationTimestamp));
    const fromExec = `${after('speaks', 'tokensync starts')}${after('has a token', 'token obtained')}`;
    say(`${metadata.name} ${role}: Ready ${readyAfter} after the pod was made; from exec on${fromExec}`);
  }
}

export async function measureRest(): Promise<void> {
  for (const { metadata } of await pods())
    say(`${metadata.name}: RSS ${await residentMiB(await processOf(metadata.name))} MiB`);
}
