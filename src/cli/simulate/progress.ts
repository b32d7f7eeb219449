import { createLogUpdate } from 'log-update';
import type { LifeResult } from '../../simulation/life/types.ts';
import type { Block } from '../../simulation/pool/index.ts';
import { monotonicMs } from '../dev/cast.ts';
import { bar, paint, type Span, span } from '../dev/text-line.ts';
import { type LineSink, wantsColour } from '../output.ts';
import { grouped, longTime, speedOf } from './figures.ts';
import type { SimulateOptions } from './options.ts';

/** Shows how far a run is, until `stop`. */
export interface Progress {
  lived(block: Block): void;
  failed(result: LifeResult): void;
  step(text: string): void;
  stop(): void;
}

const frameMs = 100;
const lineEveryMs = 10_000;

/** What is to be lived, in one line. */
export function heading(options: SimulateOptions): string {
  const { life, firstSeed, seeds, forMs, jobs } = options;
  const many = seeds === undefined ? 'Seeds' : seeds === 1 ? 'Seed' : `${grouped(seeds)} seeds`;
  const from = seeds === 1 ? ` ${firstSeed}` : ` from ${firstSeed} on`;
  const time = forMs === undefined ? '' : `, for ${longTime(forMs)}`;
  const what = `${life.members} members, ${life.clients} clients, ${life.candidates} candidates`;
  const work = jobs === 1 ? '1 job' : `${jobs} jobs`;
  return `${many}${from}${time}: ${what}, ${life.seconds} s each, faults: ${life.faults}; ${work}.`;
}

/** How much of the run is done, 0 to 1: of its seeds or of its time, whichever is further. */
export function shareDone(options: SimulateOptions, seeds: number, elapsedMs: number): number {
  const ofSeeds = options.seeds === undefined ? 0 : seeds / options.seeds;
  const ofTime = options.forMs === undefined ? 0 : elapsedMs / options.forMs;
  return Math.min(1, Math.max(ofSeeds, ofTime));
}

/** The figures of a run as one line. */
export function figuresLine(options: SimulateOptions, block: Block, elapsedMs: number): string {
  const { totals } = block;
  const of = options.seeds === undefined ? '' : ` of ${grouped(options.seeds)}`;
  const figures = [
    `${grouped(totals.seeds)}${of} seeds`,
    `${grouped(totals.steps)} steps`,
    `${longTime(totals.simulatedMs)} simulated, ${grouped(speedOf(block))} for each second of a core`,
    `${grouped(totals.faultsInjected)} faults`,
    `${grouped(totals.of('elections'))} elections`,
  ];
  if (totals.failures > 0) figures.push(`${grouped(totals.failures)} failed`);
  return `${longTime(elapsedMs)}: ${figures.join(', ')}`;
}

/** The live view: at most three lines, each at most `width` columns wide. */
export function render(
  options: SimulateOptions,
  block: Block | undefined,
  screen: {
    readonly width: number;
    readonly colour: boolean;
    readonly elapsedMs: number;
    readonly step: string;
  },
): string[] {
  const { width, colour, elapsedMs, step } = screen;
  const share = shareDone(options, block?.totals.seeds ?? 0, elapsedMs);
  const { filled, empty } = bar(share, Math.max(10, Math.min(40, width - 20)));
  const failing = (block?.totals.failures ?? 0) > 0;
  const percent = `${Math.floor(share * 100)}%`.padStart(5);
  const lines: Span[][] = [[span(filled, failing ? 'red' : 'green'), span(empty, 'gray'), span(percent)]];
  const [time = '', figures = ''] = block
    ? figuresLine(options, block, elapsedMs).split(/: (.*)/s)
    : [longTime(elapsedMs)];
  const parts = figures.split(', ');
  const half = parts.length > 3 && figures.length + time.length > width - 2 ? 2 : parts.length;
  lines.push([
    span(time, 'gray'),
    span(figures === '' ? '  starting' : `  ${parts.slice(0, half).join(', ')}`),
  ]);
  if (half < parts.length) lines.push([span(parts.slice(half).join(', '))]);
  if (step !== '') lines.push([span(step, 'gray')]);
  return lines.map((spans) => paint(spans, width, colour));
}

/** For a terminal. */
export function showLive(options: SimulateOptions, stream: NodeJS.WriteStream): Progress {
  const update = createLogUpdate(stream);
  const colour = wantsColour(stream);
  const sinceMs = monotonicMs();
  let block: Block | undefined;
  let step = '';
  let drawn = 0;
  const draw = () => {
    const elapsedMs = monotonicMs() - sinceMs;
    const lines = render(options, block, { width: stream.columns || 80, colour, elapsedMs, step });
    // log-update takes the lines below a change for standing where they stood, which they do not in a frame that grew.
    if (drawn !== lines.length) update.clear();
    drawn = lines.length;
    update(lines.join('\n'));
  };
  stream.write(`${heading(options)}\n`);
  draw();
  const timer = setInterval(draw, frameMs);
  return {
    lived: (now) => {
      block = now;
    },
    failed: (result) => {
      update.clear();
      stream.write(failureLine(result));
      draw();
    },
    step: (text) => {
      step = text;
    },
    stop: () => {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}

/** For a pipe: a line now and then. */
export function showLines(
  options: SimulateOptions,
  sink: LineSink,
  clockMs: () => number = monotonicMs,
): Progress {
  const sinceMs = clockMs();
  let toldMs = sinceMs;
  let told = '';
  const due = () => clockMs() - toldMs >= lineEveryMs;
  const tell = (text: string) => {
    toldMs = clockMs();
    sink.write(`${text}\n`);
  };
  tell(heading(options));
  return {
    lived: (block) => {
      if (due()) tell(figuresLine(options, block, clockMs() - sinceMs));
    },
    failed: (result) => void sink.write(failureLine(result)),
    step: (text) => {
      // Of steps that count something, the first and then one now and then.
      const kind = text.replace(/\d+/g, '');
      if (kind !== told || due()) tell(text);
      told = kind;
    },
    stop: () => {},
  };
}

function failureLine({ seed, failure }: LifeResult): string {
  return `Seed ${seed} fails: ${failure?.checker}: ${failure?.message}\n`;
}
