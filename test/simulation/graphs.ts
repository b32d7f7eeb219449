// Lives of clusters whose links are cut down to a graph.
import assert from 'node:assert/strict';
import {
  type CutBy,
  type GraphLifeResult,
  type LinkGraph,
  liveGraph,
} from '../../src/simulation/graphs/index.ts';

/** Cuts a cluster down to each graph, by silence and by broken connections in turn. */
export async function demandGraphs(
  graphs: readonly LinkGraph[],
  ways: readonly CutBy[] | 'in turn',
): Promise<GraphLifeResult[]> {
  const results: GraphLifeResult[] = [];
  const failures: string[] = [];
  for (const [at, graph] of graphs.entries()) {
    const inTurn: readonly CutBy[] = [at % 2 === 0 ? 'silence' : 'break'];
    for (const by of ways === 'in turn' ? inTurn : ways) {
      const seed = at + 1;
      const result = await liveGraph({ graph, seed, by });
      results.push(result);
      if (result.failure !== undefined)
        failures.push(`${result.graph}, by ${by}, seed ${seed}: ${result.failure}`);
    }
  }
  assert.deepEqual(failures, []);
  const connected = results.filter(({ quorumConnected }) => quorumConnected.length > 0);
  const returned = connected.filter(({ returnedMs }) => returnedMs !== undefined);
  assert.equal(returned.length + connected.filter(({ hindered }) => hindered).length, connected.length);
  return results;
}
