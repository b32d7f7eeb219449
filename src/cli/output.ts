import { styleText } from 'node:util';

/** Anything that lines can be written to: a terminal, a pipe, a test's array. */
export interface LineSink {
  write(text: string): unknown;
}

/** Bigints as strings, so that no digit is lost on the way through JSON. */
export function toJsonLine(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
}

/** Rows as columns padded to their widest cell; the first row is the heading. Numbers stand to the right. */
export function formatTable(
  heading: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const text = [heading, ...rows].map((row) => row.map(String));
  const widths = heading.map((_, column) => Math.max(...text.map((row) => (row[column] ?? '').length)));
  const numeric = heading.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'),
  );
  const lines = text.map((row) =>
    row
      .map((cell, column) =>
        numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/**
 * A reader that went away (`conclave observe jobs | head -1`) ends the command quietly, as it ends any Unix
 * filter. Any other write error is thrown.
 */
export function endQuietlyOnClosedPipe(streams: readonly NodeJS.WritableStream[]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') process.exit(0);
      throw error;
    });
  }
}

/** Resolves when all that was written has left: what a pipe has not taken yet, the end of the process would cut off. */
export function written(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

/** Styles for a stream that is a terminal and whose user did not set NO_COLOR; plain text else. */
export function styler(colour: boolean): (format: Parameters<typeof styleText>[0], text: string) => string {
  return colour
    ? (format, text) => styleText(format, text, { validateStream: false })
    : (_format, text) => text;
}

export function wantsColour(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';
}
