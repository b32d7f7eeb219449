import { RecentDelays } from '../../member/recent-delays.ts';
import { type ProcessFigures, processFigures, watchGarbageCollector } from '../../runtime/process-figures.ts';
import { counter, type Family, gauge, histogram } from './family.ts';

/** What the process takes, by the usual names. */
export class ProcessMetrics implements Disposable {
  readonly families: readonly Family[];
  readonly #pauses = new RecentDelays();
  readonly #watching = watchGarbageCollector((ms) => this.#pauses.record(ms));
  #figures: ProcessFigures | undefined;

  constructor() {
    const of =
      (read: (figures: ProcessFigures) => number | undefined): (() => number | undefined) =>
      () =>
        this.#figures && read(this.#figures);
    this.families = [
      counter(
        'process_cpu_seconds_total',
        'CPU time of this process.',
        of((now) => now.cpuSeconds),
      ),
      gauge(
        'process_start_time_seconds',
        'When this process started, since the Unix epoch.',
        of((now) => now.startedAtSeconds),
      ),
      gauge(
        'process_resident_memory_bytes',
        'Memory that this process holds.',
        of((now) => now.residentBytes),
      ),
      gauge(
        'process_open_fds',
        'Files and sockets that are open.',
        of((now) => now.openFiles),
      ),
      gauge(
        'process_max_fds',
        'Files and sockets that may be open.',
        of((now) => now.maxOpenFiles),
      ),
      gauge(
        'nodejs_heap_size_used_bytes',
        "Memory of JavaScript's heap that is in use.",
        of((now) => now.heapUsedBytes),
      ),
      gauge(
        'nodejs_heap_size_total_bytes',
        "Memory of JavaScript's heap.",
        of((now) => now.heapTotalBytes),
      ),
      gauge(
        'nodejs_external_memory_bytes',
        'Memory of buffers outside of the heap.',
        of((now) => now.externalBytes),
      ),
      histogram(
        'conclave_gc_pause_seconds',
        'Pauses that the garbage collector made.',
        () => this.#pauses.distribution,
      ),
    ];
  }

  /** Takes the figures that are read next. */
  async look(): Promise<void> {
    this.#figures = await processFigures();
  }

  [Symbol.dispose](): void {
    this.#watching[Symbol.dispose]();
  }
}
