/** Those who wait for whether leadership goes to whom they asked the core to give it. */
export class TransferWaiters {
  private readonly waiting: ((ok: boolean) => void)[] = [];
  private over = false;

  /** `begin` asks the core. */
  ask(begin: () => void): Promise<boolean> {
    if (this.over) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      begin();
    });
  }

  settle(ok: boolean): void {
    for (const resolve of this.waiting.splice(0)) resolve(ok);
  }

  /** The member stops. */
  abandon(): void {
    this.over = true;
    this.settle(false);
  }
}
