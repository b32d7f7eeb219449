// Link graphs of five members: all undirected ones up to the followers' names, and a sample of the directed ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkGraph, sampleGraphs, undirectedGraphs } from '../../src/simulation/graphs/index.ts';
import { Draw } from '../../src/simulation/world/random.ts';
import { demandGraph, demandGraphs } from './graphs.ts';

const patience = { timeout: 300_000 };
const sampleSize = 16;

test('5 members go on in every link graph that connects a quorum, and heal from all', patience, async () => {
  const graphs = undirectedGraphs(5);
  assert.equal(graphs.length, 90);
  const results = await demandGraphs(graphs, 'in turn');
  const connected = results.filter(({ quorumConnected }) => quorumConnected.length > 0);
  assert.ok(connected.length > 20 && connected.length < results.length);
  // The last entries may be on their way at the cut.
  assert.ok(results.filter(({ hindered }) => hindered).length < 5);
});

test('5 members go on where links pass in one direction only', patience, async () => {
  const results = await demandGraphs(sampleGraphs(5, sampleSize, new Draw(1)), 'in turn');
  assert.equal(results.length, sampleSize);
  const hindered = results.filter((result) => result.hindered);
  assert.ok(hindered.length < sampleSize / 4);
  assert.ok(results.every((result) => result.hindered || result.served.length >= 3));
});

// What Raft does not do, told rather than hidden: see "What the simulator showed" in docs/guides/simulation.md.
test(
  'a hub that lacks what the others have is not elected, nobody else can be, and healing helps',
  patience,
  async () => {
    const star = LinkGraph.parse(5, '2-3 2-4 2-5');
    const behind = await demandGraph({ graph: star, seed: 1, by: 'silence', lagging: [1] });
    assert.deepEqual([behind.hindered, behind.returnedMs], [true, undefined]);
    const equal = await demandGraph({ graph: star, seed: 1, by: 'silence' });
    assert.equal(equal.hindered, false);
  },
);

// A leader that nobody answers still fills the logs of those that it reaches, and so bars those that it does not.
test(
  'a leader that is heard by some and hears nobody may bar the only member that reaches a quorum',
  patience,
  async () => {
    const graph = LinkGraph.parse(5, '1>4 1>5 2>3 2>4 3-4 3-5');
    const result = await demandGraph({ graph, seed: 300, by: 'silence' });
    assert.deepEqual(result.quorumConnected, [2]);
    assert.equal(result.hindered, true);
  },
);
