// Lives of clusters whose links are cut down to a graph, and how to live again what fails.
import assert from 'node:assert/strict';
import {
  type CutBy,
  type GraphLifeOptions,
  type GraphLifeResult,
  type LinkGraph,
  liveGraph,
} from '../../src/simulation/graphs/index.ts';

/** The command that lives it again. */
export function replayOf({ graph, by, seed, lagging = [] }: GraphLifeOptions): string {
  const last = lagging.length === 0 ? '' : ` ${lagging.join(',')}`;
  return `node test/simulation/live-graph.ts ${graph.members} '${graph.describe()}' ${by} ${seed}${last}`;
}

/** @throws AssertionError with the command that lives it again, where anything is wrong. */
export async function demandGraph(options: GraphLifeOptions): Promise<GraphLifeResult> {
  const result = await liveGraph(options);
  assert.equal(result.failure, undefined, describeFailure(result, options));
  return result;
}

function describeFailure({ failure }: GraphLifeResult, options: GraphLifeOptions): string {
  return `${failure}\nReplay it: ${replayOf(options)}`;
}

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
      const options = { graph, seed: at + 1, by };
      const result = await liveGraph(options);
      results.push(result);
      if (result.failure !== undefined) failures.push(describeFailure(result, options));
    }
  }
  assert.equal(failures.length, 0, failures.join('\n\n'));
  const connected = results.filter(({ quorumConnected }) => quorumConnected.length > 0);
  const returned = connected.filter(({ returnedMs }) => returnedMs !== undefined);
  assert.equal(returned.length + connected.filter(({ hindered }) => hindered).length, connected.length);
  return results;
}
