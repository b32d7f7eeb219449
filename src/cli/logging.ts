import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { styler, wantsColour } from './output.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'panic', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Logs go to stderr, as etcd's do, so that stdout stays for answers: JSON, one object for each line, or readable
 * lines where stderr is a terminal. Written synchronously: the last line before an exit is the one that matters.
 */
export function makeLogger(level: LogLevel, base: Record<string, unknown> = {}): Logger {
  const options = {
    level: level === 'panic' ? 'fatal' : level,
    base: process.stderr.isTTY ? {} : base,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (process.stderr.isTTY) return pino(options, readableDestination(process.stderr));
  const stream = destination({ dest: 2, sync: true });
  // A log reader that went away must not stop a member.
  stream.on('error', () => {});
  return pino(options, stream);
}

const colourOfLevel = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red', fatal: 'red' } as const;

/** One JSON line of pino as a line for people: time, level, message, then the other fields as name=value. */
export function readableLine(json: string, colour: boolean): string {
  const style = styler(colour);
  const { time, level, msg: message, err: error, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const label = String(level) as keyof typeof colourOfLevel;
  const parts = [
    style('gray', String(time).slice(11, 23)),
    style(colourOfLevel[label] ?? 'white', label.toUpperCase().padEnd(5)),
    String(message ?? ''),
  ];
  for (const [name, value] of Object.entries(fields)) {
    parts.push(style('gray', `${name}=`) + (typeof value === 'string' ? value : JSON.stringify(value)));
  }
  const stack = (error as { stack?: string } | undefined)?.stack;
  return `${parts.join(' ')}${stack === undefined ? '' : `\n${stack}`}\n`;
}

function readableDestination(stream: NodeJS.WriteStream): DestinationStream {
  const colour = wantsColour(stream);
  return { write: (json: string) => stream.write(readableLine(json, colour)) };
}
