import type { ConclaveClient } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import {
  describeCall,
  type History,
  keyPrefix,
  type Operation,
  type WatchEnd,
  type WatchView,
} from './history.ts';
import { bytesOf } from './model-values.ts';
import type { OperationSource } from './operation-source.ts';
import { eventOf, perform } from './perform.ts';
import type { WorkloadRates } from './rates.ts';

export interface ClientLifeParts {
  readonly world: World;
  readonly process: Process;
  readonly client: ConclaveClient;
  readonly history: History;
  readonly source: OperationSource;
  readonly rates: WorkloadRates;
  readonly draw: Draw;
  readonly watches: boolean;
}

const watchEnd = `${keyPrefix.slice(0, -1)}0`;

/** One process of a client from its start to its death: operations at their times, and perhaps a watch. */
export class ClientLife {
  readonly process: Process;
  readonly #parts: ClientLifeParts;
  readonly #pending = new Set<Operation>();
  #watching: WatchView | undefined;
  #stopped = false;

  constructor(parts: ClientLifeParts) {
    this.process = parts.process;
    this.#parts = parts;
    parts.process.onDeath.push(() => this.#died());
    this.#arm();
    if (parts.watches) void this.#watch();
  }

  /** Operations without an outcome. */
  get pending(): number {
    return this.#pending.size;
  }

  /** No more operations; what is under way goes on, and the watch too. */
  stop(): void {
    this.#stopped = true;
  }

  #died(): void {
    const { history } = this.#parts;
    for (const operation of this.#pending) history.orphaned(operation);
    this.#pending.clear();
    if (this.#watching !== undefined) history.endWatch(this.#watching, 'closed');
    this.#watching = undefined;
  }

  #arm(): void {
    const { draw, rates } = this.#parts;
    const meanUs = (rates.burst * 1_000_000) / rates.operationsPerSecond;
    this.process.after(draw.between(1, Math.floor(2 * meanUs)), eventKinds.workload, () => {
      if (this.#stopped) return;
      this.#arm();
      for (let begun = 0; begun < rates.burst && this.#pending.size < rates.mostAtOnce; begun++)
        void this.#operate();
    });
  }

  /** Never rejects. */
  async #operate(): Promise<void> {
    const { world, history, client, source, draw, rates } = this.#parts;
    const call = source.next();
    const timeoutMs = draw.chance(rates.hurried) ? draw.tailed(1, 8) : draw.between(800, 5000);
    const controller = draw.chance(rates.aborted) ? new AbortController() : undefined;
    if (controller !== undefined) {
      this.process.after(draw.between(100, 80_000), eventKinds.workload, () => controller.abort());
    }
    const operation = history.invoke(this.process.name, call);
    this.#pending.add(operation);
    world.note(this.process.name, () => `asks ${operation.id}: ${describeCall(call)}`);
    try {
      const options = controller === undefined ? { timeoutMs } : { timeoutMs, signal: controller.signal };
      const answer = await perform(client, call, options);
      if (!this.#pending.delete(operation)) return;
      world.note(this.process.name, () => `is answered ${operation.id}, revision ${answer.revision}`);
      source.learn(call, answer);
      history.succeeded(operation, answer);
    } catch (error) {
      if (!this.#pending.delete(operation)) return;
      const outcome = ConclaveError.is(error) ? error.outcome : 'unknown';
      const code = ConclaveError.is(error) && error.code !== 'internal' ? error.code : `internal: ${error}`;
      world.note(this.process.name, () => `fails ${operation.id}: ${code}, ${outcome}`);
      source.failed(call, code);
      history.failed(operation, outcome, code);
    }
  }

  /** Never rejects, and ends only with the process. */
  async #watch(): Promise<void> {
    const { draw, history, rates } = this.#parts;
    let startRevision = 0;
    while (this.process.alive) {
      const prevKv = draw.chance(0.5);
      const view = history.openWatch(this.process.name, {
        key: keyPrefix,
        end: watchEnd,
        startRevision,
        prevKv,
      });
      this.#watching = view;
      const { how, nextRevision } = await this.#follow(view);
      // Its death has told already.
      if (this.#watching !== view) return;
      this.#watching = undefined;
      history.endWatch(view, how, how === 'compacted' ? nextRevision : 0);
      // Now and then from further back, which may be compacted by now.
      const back = nextRevision > 0 && draw.chance(rates.watchesPast) ? draw.below(60) : 0;
      startRevision = back > 0 ? Math.max(1, nextRevision - back) : nextRevision;
      await this.#pause(draw.between(1, how === 'failed' ? 500 : 50));
    }
  }

  async #follow(view: WatchView): Promise<{ how: WatchEnd; nextRevision: number }> {
    const { client, draw, history, rates, world } = this.#parts;
    let nextRevision = view.startRevision;
    try {
      const { prevKv, startRevision } = view;
      const wanted = { key: bytesOf(view.key), rangeEnd: bytesOf(view.end), startRevision, prevKv };
      for await (const batch of client.watch(wanted)) {
        if (this.#watching !== view) break;
        nextRevision = batch.revision + 1;
        history.watchBatch(view, batch.events.map(eventOf), batch.revision);
        if (!this.#stopped && draw.chance(rates.watchReopened)) break;
      }
      return { how: 'closed', nextRevision };
    } catch (error) {
      world.note(this.process.name, () => `loses its watch ${view.id}: ${error}`);
      if (!ConclaveError.is(error, 'out-of-range')) return { how: 'failed', nextRevision };
      const { compactRevision: compacted } = error.details;
      return { how: 'compacted', nextRevision: typeof compacted === 'number' ? compacted : 0 };
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.process.after(delayMs * 1000, eventKinds.workload, resolve);
    });
  }
}
