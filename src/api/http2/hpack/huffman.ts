/**
 * The string code of RFC 7541, appendix B. It is canonical: codes of one length rise with their symbols, and lengths
 * rise with the codes, so the lengths say everything. The last symbol, 256, is the end of the string.
 */
const lengths: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6],
  ...[
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
  ],
  ...[8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7],
  ...[15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24],
  ...[23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23],
  ...[23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26],
  ...[26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20],
  ...[21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27],
  ...[27, 27, 26, 30],
];
const endOfString = 256;

/** A step by four bits: where it leads, which symbol it completes, whether a string may end there. */
const emits = 1 << 16;
const mayEnd = 1 << 17;
const impossible = 1 << 18;

interface Node {
  readonly number: number;
  readonly branches: [Node | number | undefined, Node | number | undefined];
  /** The string may end here: fewer than eight bits, all ones, since the last symbol (§5.2). */
  readonly padding: boolean;
}

const transitions = makeTransitions();

/** The decoded string, one character for each byte; undefined: not what an encoder makes. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number): string | undefined {
  let state = 0;
  let end = mayEnd;
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    let step = transitions[state * 16 + (byte >> 4)] as number;
    if (step & impossible) return undefined;
    if (step & emits) text += String.fromCharCode((step >> 8) & 0xff);
    step = transitions[(step & 0xff) * 16 + (byte & 15)] as number;
    if (step & impossible) return undefined;
    if (step & emits) text += String.fromCharCode((step >> 8) & 0xff);
    state = step & 0xff;
    end = step & mayEnd;
  }
  return end === 0 ? undefined : text;
}

function makeTransitions(): Uint32Array {
  const nodes: Node[] = [];
  const root = addNode(nodes, true);
  for (const [symbol, code, length] of canonicalCodes()) plant(nodes, root, symbol, code, length);
  const table = new Uint32Array(nodes.length * 16);
  for (const node of nodes) {
    for (let nibble = 0; nibble < 16; nibble++) table[node.number * 16 + nibble] = walk(root, node, nibble);
  }
  return table;
}

function* canonicalCodes(): Generator<readonly [symbol: number, code: number, length: number]> {
  const symbols = lengths.map((length, symbol) => ({ length, symbol }));
  symbols.sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  let code = 0;
  let before = 0;
  for (const { symbol, length } of symbols) {
    code *= 2 ** (length - before);
    yield [symbol, code, length];
    code += 1;
    before = length;
  }
}

function plant(nodes: Node[], root: Node, symbol: number, code: number, length: number): void {
  let node = root;
  for (let left = length - 1; left >= 0; left--) {
    const bit = Math.floor(code / 2 ** left) % 2 === 1 ? 1 : 0;
    if (left === 0) {
      node.branches[bit] = symbol;
      return;
    }
    const depth = length - left;
    node.branches[bit] ??= addNode(nodes, node.padding && bit === 1 && depth < 8);
    node = node.branches[bit] as Node;
  }
}

function addNode(nodes: Node[], padding: boolean): Node {
  const node: Node = { number: nodes.length, branches: [undefined, undefined], padding };
  nodes.push(node);
  return node;
}

function walk(root: Node, from: Node, nibble: number): number {
  let node = from;
  let step = 0;
  for (const bit of [(nibble >> 3) & 1, (nibble >> 2) & 1, (nibble >> 1) & 1, nibble & 1] as const) {
    const next = node.branches[bit as 0 | 1];
    if (next === undefined || next === endOfString) return impossible;
    if (typeof next === 'number') {
      step |= emits | (next << 8);
      node = root;
    } else {
      node = next;
    }
  }
  return step | node.number | (node.padding ? mayEnd : 0);
}
