/**
 * Link graphs: which members can reach which, and whether a cluster whose links were cut down to such a graph goes on
 * wherever a quorum is connected (what took Cloudflare down for six hours was a graph of three members).
 *
 * Guarantees: the members run the production code under the consensus checkers; links within the graph work; the same
 * graph and seed give the same life.
 *
 * Must not: excuse a graph. What Raft cannot serve is told as what was seen.
 */

export { directedGraphs, LinkGraph, sampleGraphs, undirectedGraphs } from './link-graph.ts';
export { type CutBy, type GraphLifeOptions, type GraphLifeResult, liveGraph } from './live-graph.ts';
