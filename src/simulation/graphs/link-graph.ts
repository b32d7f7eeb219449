import type { Draw } from '../world/random.ts';

/** Which of the members 0, 1, … reach which. Member 0 leads when the links are cut down to it. */
export class LinkGraph {
  readonly members: number;
  /** Bit `from * members + to`. */
  readonly bits: number;

  constructor(members: number, bits: number) {
    this.members = members;
    this.bits = bits;
  }

  reaches(from: number, to: number): boolean {
    return from === to || (this.bits >>> (from * this.members + to)) % 2 === 1;
  }

  /** Linked in both directions. */
  linked(one: number, other: number): boolean {
    return this.reaches(one, other) && this.reaches(other, one);
  }

  get quorum(): number {
    return Math.floor(this.members / 2) + 1;
  }

  /** Members that a quorum, they themselves included, is linked with. */
  get quorumConnected(): number[] {
    const all = positions(this.members);
    return all.filter((one) => all.filter((other) => this.linked(one, other)).length >= this.quorum);
  }

  /** "1-2 2>3": members from 1 on, 1 the leader; > where only one direction passes. */
  describe(): string {
    const parts: string[] = [];
    for (const one of positions(this.members)) {
      for (const other of positions(this.members).slice(one + 1)) {
        const [there, back] = [this.reaches(one, other), this.reaches(other, one)];
        if (there && back) parts.push(`${one + 1}-${other + 1}`);
        else if (there) parts.push(`${one + 1}>${other + 1}`);
        else if (back) parts.push(`${other + 1}>${one + 1}`);
      }
    }
    return parts.length === 0 ? 'no link' : parts.join(' ');
  }

  /** The reverse of `describe`. */
  static parse(members: number, text: string): LinkGraph {
    let bits = 0;
    for (const [, one, kind, other] of text.matchAll(/(\d)([->])(\d)/g)) {
      const [from, to] = [Number(one) - 1, Number(other) - 1];
      bits |= 1 << (from * members + to);
      if (kind === '-') bits |= 1 << (to * members + from);
    }
    return new LinkGraph(members, bits);
  }

  /** The same for graphs that differ only in how the followers are called. */
  #shape(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const names of orders(this.members)) {
      let bits = 0;
      for (const from of positions(this.members)) {
        for (const to of positions(this.members)) {
          if (from === to || !this.reaches(from, to)) continue;
          bits |= 1 << ((names[from] ?? 0) * this.members + (names[to] ?? 0));
        }
      }
      least = Math.min(least, bits);
    }
    return least;
  }

  /** One of each shape. */
  static shapes(graphs: Iterable<LinkGraph>): LinkGraph[] {
    const known = new Map<number, LinkGraph>();
    for (const graph of graphs) {
      const shape = graph.#shape();
      if (!known.has(shape)) known.set(shape, graph);
    }
    return [...known.values()];
  }
}

/** All graphs of links that pass in both directions; one of each shape, wherever the leader stands. */
export function undirectedGraphs(members: number): LinkGraph[] {
  const pairs = pairsOf(members);
  return LinkGraph.shapes(
    Array.from({ length: 2 ** pairs.length }, (_none, chosen) => {
      const links = pairs.filter((_pair, at) => (chosen >>> at) % 2 === 1);
      return new LinkGraph(members, [...links, ...links.map(turned)].reduce(bitOf(members), 0));
    }),
  );
}

/** All graphs, where each direction of each link passes or not; one of each shape. For 3 members at most. */
export function directedGraphs(members: number): LinkGraph[] {
  const ways = pairsOf(members).flatMap((pair) => [pair, turned(pair)]);
  return LinkGraph.shapes(
    Array.from({ length: 2 ** ways.length }, (_none, chosen) => {
      const passing = ways.filter((_way, at) => (chosen >>> at) % 2 === 1);
      return new LinkGraph(members, passing.reduce(bitOf(members), 0));
    }),
  );
}

/** Directed graphs drawn so that some member, though mostly not every one, is connected with a quorum. */
export function sampleGraphs(members: number, count: number, random: Draw): LinkGraph[] {
  const ways = pairsOf(members).flatMap((pair) => [pair, turned(pair)]);
  const graphs: LinkGraph[] = [];
  while (graphs.length < count) {
    const share = random.pick([0.6, 0.7, 0.8]);
    const passing = ways.filter(() => random.chance(share));
    const graph = new LinkGraph(members, passing.reduce(bitOf(members), 0));
    const { length } = graph.quorumConnected;
    if (length > 0 && length < members) graphs.push(graph);
  }
  return graphs;
}

type Way = readonly [from: number, to: number];

export function positions(members: number): number[] {
  return Array.from({ length: members }, (_none, position) => position);
}

function pairsOf(members: number): Way[] {
  const all = positions(members);
  return all.flatMap((one) => all.slice(one + 1).map((other): Way => [one, other]));
}

function turned([from, to]: Way): Way {
  return [to, from];
}

function bitOf(members: number): (bits: number, way: Way) => number {
  return (bits, [from, to]) => bits | (1 << (from * members + to));
}

/** All orders of the members that leave member 0 where it is. */
function orders(members: number): readonly number[][] {
  const grow = (made: readonly number[], left: readonly number[]): number[][] =>
    left.length === 0
      ? [[...made]]
      : left.flatMap((next) =>
          grow(
            [...made, next],
            left.filter((other) => other !== next),
          ),
        );
  const known = ordersOf.get(members) ?? grow([0], positions(members).slice(1));
  ordersOf.set(members, known);
  return known;
}

const ordersOf = new Map<number, readonly number[][]>();
