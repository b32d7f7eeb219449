import type { WatchBatch } from '../../client/index.ts';
import type { ElectionState } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { KeyValue } from '../../wire/index.ts';
import { electionKeys, nameOfKey } from './keys.ts';
import { ElectionMirror } from './mirror.ts';

/** All elections of a range of names, kept up to date by one watch. */
export class ElectionsMirror {
  readonly #namespace: string;
  readonly #elections = new Map<string, ElectionMirror>();
  revision = 0;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  of(name: string): ElectionMirror | undefined {
    return this.#elections.get(name);
  }

  /** Everything was read anew. What is to be shown: all, and those of which nothing is left. */
  replace(kvs: readonly KeyValue[], revision: number): ReadonlyMap<string, ElectionState> {
    const keysOf = new Map<string, KeyValue[]>();
    for (const name of this.#elections.keys()) keysOf.set(name, []);
    for (const kv of kvs) {
      const name = nameOfKey(this.#namespace, kv.key);
      if (name === undefined) continue;
      const others = keysOf.get(name);
      if (others === undefined) keysOf.set(name, [kv]);
      else others.push(kv);
    }
    this.revision = revision;
    for (const [name, own] of keysOf) {
      this.#elections.set(name, new ElectionMirror(electionKeys(this.#namespace, name), own, revision));
    }
    return this.#take(keysOf.keys());
  }

  /** What changed. */
  apply(batch: WatchBatch): ReadonlyMap<string, ElectionState> {
    const eventsOf = new Map<string, WatchBatch['events'][number][]>();
    for (const event of batch.events) {
      const name = event.kv && nameOfKey(this.#namespace, event.kv.key);
      if (name === undefined) continue;
      const others = eventsOf.get(name);
      if (others === undefined) eventsOf.set(name, [event]);
      else others.push(event);
    }
    this.revision = Math.max(this.revision, batch.revision);
    const changed: string[] = [];
    for (const [name, events] of eventsOf) {
      let mirror = this.#elections.get(name);
      if (mirror === undefined) {
        mirror = new ElectionMirror(electionKeys(this.#namespace, name), [], 0);
        this.#elections.set(name, mirror);
      }
      if (mirror.apply({ events, revision: batch.revision })) changed.push(name);
    }
    return this.#take(changed);
  }

  /** What cannot be read is not shown; who campaigns for it hears why. */
  #stateOf(name: string): ElectionState | undefined {
    try {
      return this.#elections.get(name)?.state();
    } catch (error) {
      if (ConclaveError.is(error, 'data-incompatible')) return undefined;
      throw error;
    }
  }

  #take(names: Iterable<string>): ReadonlyMap<string, ElectionState> {
    const states = new Map<string, ElectionState>();
    for (const name of names) {
      const state = this.#stateOf(name);
      if (state === undefined) continue;
      states.set(name, state);
      const isEmpty = state.leader === undefined && state.waiting.length === 0 && state.record === undefined;
      if (isEmpty) this.#elections.delete(name);
    }
    return states;
  }
}
