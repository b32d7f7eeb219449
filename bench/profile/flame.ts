import { escaped } from '../../tools/markup.ts';
import type { Frame, Stack } from './cpu-profile.ts';

interface Box {
  readonly frame: Frame;
  readonly children: Map<string, Box>;
  micros: number;
}

const widthPx = 1200;
const rowPx = 16;
/** Narrower boxes are left out. */
const leastPx = 1.2;
const headPx = 28;

/** A flame graph as SVG: who called whom upwards, as wide as it took; each box says its share when pointed at. */
export function flameGraph(title: string, stacks: ReadonlyMap<Stack, number>): string {
  const root: Box = { frame: { name: 'all', file: '' }, children: new Map(), micros: 0 };
  for (const [stack, micros] of stacks) add(root, stack, micros);
  const boxes: string[] = [];
  const depth = draw(root, { left: 0, level: 0, scale: widthPx / root.micros, all: root.micros }, boxes);
  const height = headPx + depth * rowPx;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${height}" font-family="monospace" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${widthPx}" height="${height}" fill="#fffdf8"/>`,
    `<text x="8" y="18" font-size="13">${escaped(title)}</text>`,
    ...boxes,
    '</svg>',
    '',
  ].join('\n');
}

function add(root: Box, stack: Stack, micros: number): void {
  let box = root;
  box.micros += micros;
  for (const frame of stack) {
    const key = `${frame.name} ${frame.file}`;
    let child = box.children.get(key);
    if (child === undefined) {
      child = { frame, children: new Map(), micros: 0 };
      box.children.set(key, child);
    }
    child.micros += micros;
    box = child;
  }
}

interface Place {
  readonly left: number;
  readonly level: number;
  readonly scale: number;
  readonly all: number;
}

/** Gives the number of rows that are used. */
function draw(box: Box, { left, level, scale, all }: Place, boxes: string[]): number {
  const width = box.micros * scale;
  if (width < leastPx) return level;
  const { name, file } = box.frame;
  const told = `${name} ${file} ${((box.micros / all) * 100).toFixed(1)} %`;
  const y = headPx + level * rowPx;
  const label =
    width > 40
      ? `<text x="${(left + 2).toFixed(1)}" y="${y + 12}">${escaped(name.slice(0, width / 7))}</text>`
      : '';
  boxes.push(
    `<g><title>${escaped(told)}</title><rect x="${left.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${rowPx - 1}" fill="${color(file)}"/>${label}</g>`,
  );
  let childLeft = left;
  let deepest = level + 1;
  for (const child of [...box.children.values()].sort((a, b) => b.micros - a.micros)) {
    deepest = Math.max(deepest, draw(child, { left: childLeft, level: level + 1, scale, all }, boxes));
    childLeft += child.micros * scale;
  }
  return deepest;
}

/** By layer, so that one sees at a glance where time goes. */
function color(file: string): string {
  const layer = file.split('/')[0] ?? '';
  const colors: Readonly<Record<string, string>> = {
    api: '#f4a261',
    wire: '#e9c46a',
    member: '#8ecae6',
    raft: '#219ebc',
    keyspace: '#90be6d',
    runtime: '#cdb4db',
  };
  return colors[layer] ?? '#dddddd';
}
