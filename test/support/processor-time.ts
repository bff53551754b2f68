/** Processor time of this thread until now, ms: other programs share the machine, and theirs does not count. */
export const threadMs = (): number => process.threadCpuUsage().user / 1000;

/** The best of several: what others do to the machine's caches counts all the same. @returns ms. */
export function quickestMs(times: number, work: () => void): number {
  const runs = Array.from({ length: times }, () => {
    const before = threadMs();
    work();
    return threadMs() - before;
  });
  return Math.min(...runs);
}
