import { styler } from '../output.ts';

type Format = Parameters<ReturnType<typeof styler>>[0];

/** A stretch of one line with one look. */
export interface Span {
  readonly text: string;
  readonly format?: Format;
}

export function span(text: string, format?: Format): Span {
  return format === undefined ? { text } : { text, format };
}

/** One line, cut to `width` columns before it is coloured, so that no escape sequence is cut. */
export function paint(spans: readonly Span[], width: number, colour: boolean): string {
  const style = styler(colour);
  let left = width;
  let line = '';
  for (const { text, format } of spans) {
    if (left <= 0) break;
    const characters = [...text];
    const cut = characters.length > left ? `${characters.slice(0, left - 1).join('')}…` : text;
    left -= characters.length;
    line += format === undefined ? cut : style(format, cut);
  }
  return line.trimEnd();
}

/** Full to the eighth of a column: `share` of `width` columns, the rest as a dotted track. */
export function bar(share: number, width: number): { filled: string; empty: string } {
  const eighths = Math.round(Math.max(0, Math.min(1, share)) * width * 8);
  const whole = Math.floor(eighths / 8);
  const part = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'.charAt((eighths % 8) - 1);
  return { filled: '█'.repeat(whole) + part, empty: '·'.repeat(Math.max(0, width - whole - part.length)) };
}

/** Breaks a text between words into lines of at most `width` columns; a longer word gets a line that is too long. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
