import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Draw } from '../world/random.ts';
import { directedGraphs, LinkGraph, sampleGraphs, undirectedGraphs } from './link-graph.ts';

test('a graph is read back from its description', () => {
  const graphs = [...directedGraphs(3), ...undirectedGraphs(5), ...sampleGraphs(5, 20, new Draw(3))];
  for (const graph of graphs) {
    assert.equal(LinkGraph.parse(graph.members, graph.describe()).bits, graph.bits);
  }
  assert.equal(new LinkGraph(3, 0).describe(), 'no link');
});

test('who is connected with a quorum counts links of both directions only, and itself', () => {
  assert.deepEqual(LinkGraph.parse(3, '1-2').quorumConnected, [0, 1]);
  assert.deepEqual(LinkGraph.parse(3, '1>2 1>3 2>3').quorumConnected, []);
  assert.deepEqual(LinkGraph.parse(3, '1>2 2-3').quorumConnected, [1, 2]);
  assert.deepEqual(LinkGraph.parse(5, '2-3 2-4 2-5').quorumConnected, [1]);
  assert.deepEqual(LinkGraph.parse(5, '1-2 2-3 3-4 4-5').quorumConnected, [1, 2, 3]);
});

test('graphs that differ only in how followers are called are one, wherever the leader stands', () => {
  // The numbers of graphs with one vertex marked.
  assert.deepEqual(
    [2, 3, 4, 5].map((members) => undirectedGraphs(members).length),
    [2, 6, 20, 90],
  );
  assert.equal(directedGraphs(3).length, 36);
});

test('sampled graphs connect some member with a quorum, and not all of them', () => {
  for (const { quorumConnected, members } of sampleGraphs(5, 50, new Draw(9))) {
    assert.ok(quorumConnected.length > 0 && quorumConnected.length < members);
  }
});
