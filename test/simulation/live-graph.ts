// Lives a cluster again whose links are cut down to a graph, and prints what took place:
//   node test/simulation/live-graph.ts MEMBERS GRAPH silence|break SEED [LAGGING]
// as in: node test/simulation/live-graph.ts 3 '1-2 2>3' silence 7
import { formatLine, LinkGraph, liveGraph } from '../../src/simulation/index.ts';

const [members = '', graph = '', by = '', seed = '', lagging = ''] = process.argv.slice(2);
if (seed === '' || (by !== 'silence' && by !== 'break'))
  throw new Error("Give the number of members, a graph like '1-2 2>3', silence or break, and a seed.");

const { failure, lines, traceHash } = await liveGraph({
  graph: LinkGraph.parse(Number(members), graph),
  seed: Number(seed),
  by,
  lagging: lagging === '' ? [] : lagging.split(',').map(Number),
  keepTrace: true,
});
for (const line of lines ?? []) console.log(formatLine(line));
console.log(`trace ${traceHash}: ${failure ?? 'every claim held'}`);
process.exitCode = failure === undefined ? 0 : 1;
