import { readdir, readFile } from 'node:fs/promises';
import { PerformanceObserver } from 'node:perf_hooks';

/** What this process takes of its machine. Numbers that this platform does not tell are undefined. */
export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly startedAtSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly openFiles: number | undefined;
  readonly maxOpenFiles: number | undefined;
}

const startedAtSeconds = performance.timeOrigin / 1000;

/** Processor time of this process since its start, ms, with that of its collector and its compiler. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Never rejects. */
export async function processFigures(): Promise<ProcessFigures> {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return {
    cpuSeconds: processorMs() / 1000,
    startedAtSeconds,
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
    openFiles: await readdir('/proc/self/fd').then(
      (names) => names.length,
      () => undefined,
    ),
    maxOpenFiles: await readFile('/proc/self/limits', 'utf8').then(
      (text) => Number(/^Max open files +(\d+)/m.exec(text)?.[1]) || undefined,
      () => undefined,
    ),
  };
}

/** Tells of each pause that the garbage collector makes. */
export function watchGarbageCollector(onPause: (ms: number) => void): Disposable {
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) onPause(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return { [Symbol.dispose]: () => observer.disconnect() };
}
