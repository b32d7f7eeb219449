// A terminal's screen, as `tmux capture-pane -e -p` prints it, as an SVG that looks the same wherever it is shown:
// each run of text has its place and width, and blocks of a bar are shapes, so no font can push things apart.
import { escaped } from './markup.ts';

interface Style {
  colour: number | undefined;
  bold: boolean;
  inverse: boolean;
}

interface Run {
  readonly column: number;
  readonly text: string;
  readonly style: Readonly<Style>;
}

/** The 16 colours of a terminal, in their order, on a dark background. */
const palette = [
  ...['#484f58', '#ff7b72', '#3fb950', '#e3b341', '#58a6ff', '#d2a8ff', '#56d4dd', '#c9d1d9'],
  ...['#8b949e', '#ffa198', '#56d364', '#f2cc60', '#79c0ff', '#e2c5ff', '#7ee0e6', '#ffffff'],
];
const foreground = '#d7dde4';
const background = '#0d1117';
const fonts =
  "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";
const cell = { width: 8, height: 19, baseline: 14 };
const margin = { side: 16, top: 46, bottom: 14 };
/** From one eighth to eight eighths of a cell, from the left. */
const blocks = '▏▎▍▌▋▊▉█';

export function terminalPicture(captured: string, columns: number, caption: string): string {
  const lines = captured.trimEnd().split('\n');
  const width = columns * cell.width + 2 * margin.side;
  const height = lines.length * cell.height + margin.top + margin.bottom;
  const style: Style = { colour: undefined, bold: false, inverse: false };
  const body = lines.flatMap((line, row) =>
    runsOf(line, style).flatMap((run) => shapes(run, margin.top + row * cell.height)),
  );
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(caption)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${background}"/>`,
    `<path d="M0 8a8 8 0 0 1 8-8h${width - 16}a8 8 0 0 1 8 8v22H0z" fill="#21262d"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, place) => `<circle cx="${20 + 18 * place}" cy="15" r="5.5" fill="${fill}"/>`,
    ),
    `<g font-family="${fonts}" font-size="13.3">`,
    `<text x="${width / 2}" y="20" text-anchor="middle" fill="#8b949e">${escaped(caption)}</text>`,
    ...body,
    '</g>',
    '</svg>',
  ].join('\n')}\n`;
}

/** Runs of one style. The style lasts from line to line, as tmux prints only what changes. */
function runsOf(line: string, style: Style): Run[] {
  const runs: Run[] = [];
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for.
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    if (part.startsWith('\x1b[')) change(style, part.slice(2, -1));
    else if (part !== '') {
      runs.push({ column, text: part, style: { ...style } });
      column += [...part].length;
    }
  }
  return runs;
}

function change(style: Style, codes: string): void {
  for (const code of codes.split(';').map(Number)) {
    if (code === 0) Object.assign(style, { colour: undefined, bold: false, inverse: false });
    else if (code === 1) style.bold = true;
    else if (code === 22) style.bold = false;
    else if (code === 7) style.inverse = true;
    else if (code === 27) style.inverse = false;
    else if (code === 39) style.colour = undefined;
    else if (code >= 30 && code <= 37) style.colour = code - 30;
    else if (code >= 90 && code <= 97) style.colour = code - 90 + 8;
    else if (code !== 49) throw new Error(`the picture does not know the escape code ${code}`);
  }
}

function shapes(run: Run, top: number): string[] {
  const { bold, colour, inverse } = run.style;
  const ink = colour === undefined ? foreground : (palette[colour] ?? foreground);
  const found: string[] = [];
  if (inverse) {
    const wide = [...run.text].length * cell.width;
    found.push(
      `<rect x="${left(run.column)}" y="${top}" width="${wide}" height="${cell.height}" rx="3" fill="${ink}"/>`,
    );
  }
  // Words apart by more than a space stand by themselves, so that no viewer's idea of white space matters.
  for (const match of run.text.matchAll(/[▏▎▍▌▋▊▉█]+|[^\s▏▎▍▌▋▊▉█]+(?: [^\s▏▎▍▌▋▊▉█]+)*/g)) {
    const column = run.column + [...run.text.slice(0, match.index)].length;
    const length = [...match[0]].length;
    if (blocks.includes(match[0].charAt(0))) {
      const eighths = [...match[0]].reduce((sum, block) => sum + blocks.indexOf(block) + 1, 0);
      const wide = (eighths * cell.width) / 8;
      found.push(
        `<rect x="${left(column)}" y="${top + 3}" width="${wide}" height="${cell.height - 6}" fill="${ink}"/>`,
      );
      continue;
    }
    const place = `x="${left(column)}" y="${top + cell.baseline}" textLength="${length * cell.width}" lengthAdjust="spacingAndGlyphs"`;
    const weight = bold ? ' font-weight="bold"' : '';
    found.push(`<text ${place} fill="${inverse ? background : ink}"${weight}>${escaped(match[0])}</text>`);
  }
  return found;
}

function left(column: number): number {
  return margin.side + column * cell.width;
}
