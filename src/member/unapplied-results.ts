/**
 * Results that came from the Raft leader, until this member has applied what they came of. So who wrote here and then
 * reads or watches here, without a barrier, finds what was written, as on a member of etcd.
 */
export class UnappliedResults {
  private waiting: { readonly index: number; readonly settle: () => void }[] = [];
  private appliedIndex = 0;

  /** Calls `settle` once this index of the log is applied; at once where it is. */
  add(index: number, settle: () => void): void {
    if (index <= this.appliedIndex) settle();
    else this.waiting.push({ index, settle });
  }

  applied(index: number): void {
    this.appliedIndex = index;
    if (this.waiting.length === 0) return;
    const ready = this.waiting.filter((one) => one.index <= index);
    if (ready.length === 0) return;
    this.waiting = this.waiting.filter((one) => one.index > index);
    for (const { settle } of ready) settle();
  }
}
