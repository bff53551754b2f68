import type { Bench } from './bench.ts';
import { memory } from './memory.ts';
import { refresh } from './refresh.ts';
import { scrape } from './scrape.ts';
import { start } from './start.ts';

/** In the order in which they run. */
export const BENCHES: readonly Bench[] = [refresh, start, memory, scrape];
