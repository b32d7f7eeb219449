import type { RangeRequest } from '../../keyspace/index.ts';
import type { Pair } from './history.ts';
import { bytesOf, pairOf } from './model-values.ts';
import { WorkloadChecker } from './workload-checker.ts';

/** In etcd's terms. */
const allKeys = '\0';

/** That the replicas are equal is another's matter; here it is that they are equal to what the log says. */
export class FinalState extends WorkloadChecker {
  readonly name = 'final-state';
  readonly claim =
    'In the end every member holds the keys that the committed log makes, each as it was last written, and no others.';

  ended(): void {
    const { model, index } = this.replay;
    const expected = model.rangeAt(allKeys, allKeys, model.revision);
    for (const { name, running, keyspace } of this.life.members) {
      if (!running || keyspace === undefined || keyspace.appliedIndex !== index) continue;
      const found = keyspace.range(everything);
      if ('failed' in found) this.violated(`${name} cannot read its keys: ${found.failed}.`);
      const pairs = found.kvs.map(pairOf);
      const wrong = firstDifference(expected, pairs);
      if (wrong !== undefined) this.violated(`At index ${index}, ${name} ${wrong}.`);
      if (keyspace.revision !== model.revision) {
        this.violated(
          `At index ${index}, ${name} is at revision ${keyspace.revision}, not ${model.revision}.`,
        );
      }
    }
  }
}

function firstDifference(expected: readonly Pair[], found: readonly Pair[]): string | undefined {
  for (let at = 0; at < Math.max(expected.length, found.length); at++) {
    const [right, is] = [expected[at], found[at]];
    if (right === undefined || (is !== undefined && is.key < right.key))
      return `has ${words(is)}, which is gone`;
    if (is === undefined || right.key < is.key) return `lacks ${words(right)}`;
    if (words(right) !== words(is)) return `has ${words(is)} instead of ${words(right)}`;
  }
  return undefined;
}

function words(pair: Pair | undefined): string {
  if (pair === undefined) return 'nothing';
  const { key, value, create, mod, version, lease } = pair;
  return `${JSON.stringify(key)} = ${JSON.stringify(value)} (created ${create}, modified ${mod}, version ${version}, lease ${lease})`;
}

const everything: RangeRequest = {
  ...{ key: bytesOf(allKeys), rangeEnd: bytesOf(allKeys), limit: 0, revision: 0 },
  ...{ sortOrder: 'none', sortTarget: 'key', keysOnly: false, countOnly: false },
  ...{ minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 },
};
