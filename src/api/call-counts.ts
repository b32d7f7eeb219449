/** How often a method was called and how its calls ended, for metrics: no more than additions for each call. */
export class CallCounts {
  started = 0;
  /** By gRPC's status codes. */
  readonly byCode: number[] = [];

  handled(code: number): void {
    this.byCode[code] = (this.byCode[code] ?? 0) + 1;
  }
}
