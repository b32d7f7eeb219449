/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly what: string;
  /** From the list of goals; shown beside what was reached. */
  readonly goal: string;
  /** `undefined` where etcd has no such thing or is not installed. */
  run(options: RunOptions): Promise<{ readonly conclave: string; readonly etcd: string | undefined }>;
}

export interface RunOptions {
  /** Fewer and shorter trials: to see that the benchmark works, not to quote. */
  readonly quick: boolean;
  /** Whether `etcd` is on PATH. */
  readonly etcd: boolean;
}
