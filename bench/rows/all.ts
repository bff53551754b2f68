import type { Bench } from './bench.ts';
import { first } from './first.ts';
import { growth } from './growth.ts';
import { memory } from './memory.ts';
import { refresh } from './refresh.ts';
import { scale } from './scale.ts';
import { scrape } from './scrape.ts';
import { shards } from './shards.ts';
import { start } from './start.ts';
import { steady } from './steady.ts';
import { storm } from './storm.ts';

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [
  refresh,
  first,
  start,
  memory,
  scale,
  growth,
  scrape,
  shards,
  steady,
  storm,
];
