// Link graphs of five members: all undirected ones up to the followers' names, and a sample of the directed ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkGraph, liveGraph, sampleGraphs, undirectedGraphs } from '../../src/simulation/graphs/index.ts';
import { Draw } from '../../src/simulation/world/random.ts';
import { demandGraphs } from './graphs.ts';

const patience = { timeout: 300_000 };
const sampleSize = 16;

test('5 members go on in every link graph that connects a quorum, and heal from all', patience, async () => {
  const graphs = undirectedGraphs(5);
  assert.equal(graphs.length, 90);
  const results = await demandGraphs(graphs, 'in turn');
  const connected = results.filter(({ quorumConnected }) => quorumConnected.length > 0);
  assert.ok(connected.length > 20 && connected.length < results.length);
  assert.ok(connected.every(({ returnedMs }) => returnedMs !== undefined));
});

test('5 members go on where links pass in one direction only', patience, async () => {
  const results = await demandGraphs(sampleGraphs(5, sampleSize, new Draw(1)), 'in turn');
  assert.equal(results.length, sampleSize);
  assert.ok(results.every(({ served }) => served.length >= 3));
});

// What Raft does not do, told rather than hidden: see "What the simulator showed" in docs/guides/simulation.md.
test('a hub that lacks what the others have is not elected, and nobody else can be', patience, async () => {
  const star = LinkGraph.parse(5, '2-3 2-4 2-5');
  const behind = await liveGraph({ graph: star, seed: 1, by: 'silence', lagging: [1] });
  assert.match(behind.failure ?? '', /in vain for writes to be acknowledged again/);
  const equal = await liveGraph({ graph: star, seed: 1, by: 'silence' });
  assert.equal(equal.failure, undefined);
});
