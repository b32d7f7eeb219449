// Every link graph of three members, each direction of each link for itself, wherever the leader stands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directedGraphs, undirectedGraphs } from '../../src/simulation/graphs/index.ts';
import { demandGraphs } from './graphs.ts';

const patience = { timeout: 300_000 };

test('there are 64 directed graphs of 3 members, of 36 shapes beside the leader; 8 undirected, of 6', () => {
  assert.equal(directedGraphs(3).length, 36);
  assert.equal(undirectedGraphs(3).length, 6);
});

test('3 members go on in every link graph that connects a quorum, and heal from all', patience, async () => {
  const results = await demandGraphs(directedGraphs(3), ['silence', 'break']);
  const going = results.filter(({ returnedMs }) => returnedMs !== undefined);
  assert.equal(going.length, results.filter(({ quorumConnected }) => quorumConnected.length > 0).length);
  assert.ok(going.length > 0 && going.length < results.length);
  assert.ok(results.every(({ hindered }) => !hindered));
  assert.ok(results.some(({ elections }) => elections[0] > 0));
});

test('a chain keeps its leader, and the far end, which is not linked with it, waits', patience, async () => {
  const [chain] = undirectedGraphs(3).filter((graph) => graph.describe() === '1-2 2-3');
  assert.ok(chain !== undefined);
  const [result] = await demandGraphs([chain], ['silence']);
  assert.deepEqual(result?.quorumConnected, [0, 1, 2]);
  assert.deepEqual(result.served, [0, 1]);
  assert.deepEqual(result.elections, [0, 0]);
});
