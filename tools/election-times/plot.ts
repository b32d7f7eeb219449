import { quantile } from '../../src/simulation/experiments/index.ts';
import type { Measured } from './table.ts';

interface Panel {
  readonly title: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly ticksMs: readonly number[];
  /** Single figures that the paper's text gives. */
  readonly marks: readonly { readonly ms: number; readonly share: number; readonly text: string }[];
}
const panels: Readonly<Record<number, Panel>> = {
  1: {
    title: 'Timeouts of little and much randomness (equal logs, 15 ms in the network)',
    ...{ fromMs: 100, toMs: 20_000, ticksMs: [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000] },
    marks: [
      { ms: 287, share: 0.5, text: 'paper, 150–155 ms: median' },
      { ms: 513, share: 1, text: 'paper, 150–200 ms: longest' },
    ],
  },
  2: {
    title: 'Longer and shorter timeouts (logs of different lengths)',
    ...{ fromMs: 15, toMs: 600, ticksMs: [20, 50, 100, 200, 500] },
    marks: [{ ms: 152, share: 1, text: 'paper, 12–24 ms: longest' }],
  },
  3: {
    title: 'Conclave’s defaults (logs of different lengths)',
    ...{ fromMs: 2, toMs: 1000, ticksMs: [2, 5, 10, 20, 50, 100, 200, 500, 1000] },
    marks: [],
  },
};

const width = 860;
const panelHeight = 270;
const area = { left: 56, top: 40, width: 520, height: 180 };
const dashes = ['', '7 3', '2 3', '9 3 2 3', '4 2', '12 4'];
const coloursOnLight = ['#c2410c', '#2563eb', '#0f766e', '#a21caf', '#4d7c0f', '#6b7280'];
const coloursOnDark = ['#ff8a4c', '#6ea8fe', '#2dd4bf', '#e879f9', '#a3e635', '#9ca3af'];
const points = 200;

/** The cumulative distribution of each curve, one panel below the other, as SVG. */
export function plot(measured: readonly Measured[]): string {
  const numbers = Object.keys(panels).map(Number);
  const drawn = numbers.map((number, position) => {
    const curves = measured.filter(({ row, times }) => row.panel === number && times.leadersLast);
    curves.sort((a, b) => quantile(a.times.timesMs, 0) - quantile(b.times.timesMs, 0));
    return `<g transform="translate(0 ${position * panelHeight})">\n${panel(panels[number] as Panel, curves)}\n</g>`;
  });
  const height = numbers.length * panelHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Cumulative distribution of the time without a leader">
<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.grid { stroke: #8b949e; stroke-opacity: .35; stroke-width: 1 }
.curve { fill: none; stroke-width: 2 }
${curveStyles(coloursOnLight)}
.mark { fill: #1f2328 }
@media (prefers-color-scheme: dark) { text, .mark { fill: #e6edf3 } ${curveStyles(coloursOnDark)} }
</style>
${drawn.join('\n')}
</svg>
`;
}

function curveStyles(colours: readonly string[]): string {
  return colours.map((colour, position) => `.curve-${position} { stroke: ${colour} }`).join(' ');
}

function panel(shown: Panel, curves: readonly Measured[]): string {
  const x = (ms: number): number =>
    area.left +
    (area.width * Math.log(Math.max(ms, shown.fromMs) / shown.fromMs)) / Math.log(shown.toMs / shown.fromMs);
  const y = (share: number): number => area.top + area.height * (1 - share);
  const lines: string[] = [`<text class="title" x="${area.left}" y="22">${shown.title}</text>`];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const at = y(share).toFixed(1);
    lines.push(
      `<path class="grid" d="M${area.left} ${at}h${area.width}"/>`,
      `<text x="${area.left - 8}" y="${(y(share) + 4).toFixed(1)}" text-anchor="end">${share * 100}%</text>`,
    );
  }
  for (const ms of shown.ticksMs) {
    const at = x(ms).toFixed(1);
    lines.push(
      `<path class="grid" d="M${at} ${area.top}v${area.height}"/>`,
      `<text x="${at}" y="${area.top + area.height + 18}" text-anchor="middle">${named(ms)}</text>`,
    );
  }
  curves.forEach(({ row, times }, position) => {
    const look = `class="curve curve-${position % dashes.length}" stroke-dasharray="${dashes[position % dashes.length]}"`;
    const legend = { x: area.left + area.width + 20, y: area.top + 8 + position * 22 };
    lines.push(
      `<path ${look} d="${path(times.timesMs, shown.toMs, x, y)}"/>`,
      `<path ${look} d="M${legend.x} ${legend.y}h28"/>`,
      `<text x="${legend.x + 36}" y="${legend.y + 4}">${row.label ?? row.name}</text>`,
    );
  });
  for (const { ms, share, text } of shown.marks) {
    const at = { x: x(ms).toFixed(1), y: y(share).toFixed(1) };
    lines.push(
      `<circle class="mark" cx="${at.x}" cy="${at.y}" r="4"/>`,
      `<text x="${(x(ms) + 8).toFixed(1)}" y="${(y(share) + 14).toFixed(1)}">${text}</text>`,
    );
  }
  return lines.join('\n');
}

function path(
  timesMs: readonly number[],
  toMs: number,
  x: (ms: number) => number,
  y: (share: number) => number,
): string {
  const steps: string[] = [];
  for (let point = 0; point <= points; point++) {
    const timeMs = quantile(timesMs, point / points);
    if (timeMs > toMs) break;
    steps.push(`${x(timeMs).toFixed(1)} ${y(point / points).toFixed(1)}`);
  }
  return steps.length === 0 ? '' : `M${steps.join('L')}`;
}

function named(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}
