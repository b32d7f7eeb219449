import type { CallOptions, ConclaveClient } from '../../client/index.ts';
import type { ElectionState } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { ElectionsMirror } from './all-elections.ts';
import { type ElectionKeys, electionKeys, electionsRange } from './keys.ts';
import { ElectionMirror } from './mirror.ts';

/** More than it takes to replace a member, its leader too: who watches hears of an outage, and not of that. */
const outageMs = 3000;

/** Reads and watches elections, and remembers what the watches that run show. */
export class ElectionWatching {
  readonly #client: Pick<ConclaveClient, 'range' | 'watch'>;
  readonly #namespace: string;
  readonly #wideMirrors = new Set<ElectionsMirror>();
  /** Of the watches that run, by name: a session that resigns sees in them who waits, without asking. */
  readonly #mirrors = new Map<string, Set<ElectionMirror>>();

  constructor(client: Pick<ConclaveClient, 'range' | 'watch'>, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async read(name: string, options: CallOptions): Promise<ElectionState> {
    return (await this.#readAll(electionKeys(this.#namespace, name), options)).state();
  }

  async *watch(name: string, signal: AbortSignal): AsyncGenerator<ElectionState, void, undefined> {
    const keys = electionKeys(this.#namespace, name);
    while (!signal.aborted) {
      const mirror = await this.#readForWatch(keys, signal);
      if (mirror === undefined) return;
      this.#show(name, mirror);
      try {
        yield mirror.state();
        const request = { key: keys.all, rangeEnd: keys.allEnd, startRevision: mirror.revision + 1 };
        for await (const batch of this.#client.watch(request, { signal, outageMs })) {
          if (mirror.apply(batch)) yield mirror.state();
        }
      } catch (error) {
        // Compacted before it was delivered: what counts is the state now.
        if (!ConclaveError.is(error, 'out-of-range')) throw error;
      } finally {
        this.#hide(name, mirror);
      }
    }
  }

  async *watchAll(
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<ReadonlyMap<string, ElectionState>, void, undefined> {
    const within = electionsRange(this.#namespace, prefix);
    const mirror = new ElectionsMirror(this.#namespace);
    this.#wideMirrors.add(mirror);
    try {
      while (!signal.aborted) {
        try {
          const all = await this.#client.range(within, { signal });
          yield mirror.replace(all.kvs, all.header?.revision ?? 0);
          const request = { ...within, startRevision: mirror.revision + 1 };
          for await (const batch of this.#client.watch(request, { signal, outageMs })) {
            const changed = mirror.apply(batch);
            if (changed.size > 0) yield changed;
          }
        } catch (error) {
          if (signal.aborted) return;
          // Compacted before it was delivered: what counts is the state now.
          if (!ConclaveError.is(error, 'out-of-range')) throw error;
        }
      }
    } finally {
      this.#wideMirrors.delete(mirror);
    }
  }

  #show(name: string, mirror: ElectionMirror): void {
    const shown = this.#mirrors.get(name);
    if (shown === undefined) this.#mirrors.set(name, new Set([mirror]));
    else shown.add(mirror);
  }

  #hide(name: string, mirror: ElectionMirror): void {
    const shown = this.#mirrors.get(name);
    shown?.delete(mirror);
    if (shown?.size === 0) this.#mirrors.delete(name);
  }

  /** What a watch of this election shows at present, if there is one. */
  latest(name: string): ElectionMirror | undefined {
    let latest: ElectionMirror | undefined;
    const wide = [...this.#wideMirrors].flatMap((mirror) => mirror.of(name) ?? []);
    for (const mirror of [...(this.#mirrors.get(name) ?? []), ...wide]) {
      if (latest === undefined || mirror.revision > latest.revision) latest = mirror;
    }
    return latest;
  }

  async #readAll(keys: ElectionKeys, options: CallOptions): Promise<ElectionMirror> {
    const response = await this.#client.range({ key: keys.all, rangeEnd: keys.allEnd }, options);
    return new ElectionMirror(keys, response.kvs, response.header?.revision ?? 0);
  }

  /** Fails when the cluster cannot answer for a while: whoever watches must hear of it, and then watches again. */
  async #readForWatch(keys: ElectionKeys, signal: AbortSignal): Promise<ElectionMirror | undefined> {
    try {
      return await this.#readAll(keys, { signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }
}
