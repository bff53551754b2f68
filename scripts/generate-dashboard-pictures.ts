import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  ask,
  labelsOf,
  type Panel,
  picturePath,
  readDashboard,
  sections,
} from '../test/prometheus/dashboard.ts';
import { openPlace } from '../test/prometheus/live/place.ts';
import type { Prometheus } from '../test/prometheus/live/prometheus.ts';
import { allWell, troubles } from '../test/prometheus/live/troubles.ts';
import { picture } from './dashboard-picture.ts';
import type { Named } from './picture-parts.ts';

/**
 * Draws docs/images/dashboard-*.svg: asks a real Prometheus, which looks at the real program in front of simulated providers, each
 * query of the dashboard. Not part of `npm run generate`, since no two runs measure the same. It takes two minutes.
 */

const WELL_MS = 45_000;
const TROUBLED_MS = 45_000;

async function answersOf(prometheus: Prometheus, { targets }: Panel, from: number): Promise<Named[]> {
  const found = await Promise.all(
    targets.map(async target => {
      const series = await ask(prometheus, target, from);
      return series.map(each => ({ ...each, name: named(target.legendFormat, each.labels) }));
    }),
  );
  return found.flat();
}

function named(legend: string, labels: Named['labels']): string {
  return labelsOf(legend).reduce((text, label) => text.replace(`{{${label}}}`, labels[label] ?? ''), legend);
}

const place = await openPlace();
try {
  await place.start();
  const prometheus = await place.watch();
  await prometheus.until('sum(tokensync_leader) == 1', found => found.length === 1);
  const from = Math.floor(Date.now() / 1000);
  await allWell(place);
  await sleep(WELL_MS);
  await troubles(place, prometheus);
  await sleep(TROUBLED_MS);
  for (const section of sections(readDashboard())) {
    const answers = new Map<Panel, Named[]>();
    for (const panel of section.panels) answers.set(panel, await answersOf(prometheus, panel, from));
    const svg = picture({ section, answers, from, to: Math.floor(Date.now() / 1000) });
    const path = fileURLToPath(new URL(`../${picturePath(section)}`, import.meta.url));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, svg);
    console.log(`drew ${picturePath(section)}`);
  }
} finally {
  await place.close();
}
