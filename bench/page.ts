import { readFile, writeFile } from 'node:fs/promises';

const path = new URL('../docs/reference/benchmarks.md', import.meta.url);

export interface PageTable {
  /** What its lines of the page are between: `<!-- marker -->` and `<!-- end of marker -->`. */
  readonly marker: string;
  readonly measured: string;
  readonly heading: readonly string[];
  /** What each row begins with, in their order. */
  readonly rows: readonly string[];
  /** Those measured now, by what they begin with. The others stay as they are. */
  readonly lines: ReadonlyMap<string, string>;
}

export async function writeTable({ marker, measured, heading, rows, lines }: PageTable): Promise<void> {
  const page = await readFile(path, 'utf8');
  const [begin, end] = [`<!-- ${marker} -->`, `<!-- end of ${marker} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/reference/benchmarks.md has no place for the ${marker}.`);
  const table = page.slice(from + begin.length, to).split('\n');
  const written = rows.flatMap((row) => {
    const line = lines.get(row) ?? table.find((one) => one.startsWith(`${row} |`));
    return line === undefined ? [] : [line];
  });
  const date = new Date().toISOString().slice(0, 10);
  const on = withVersionsBefore(measured, table);
  const all = [begin, `Measured last ${date} on ${on}.`, '', ...heading, ...written, end].join('\n');
  await writeFile(path, `${page.slice(0, from)}${all}${page.slice(to + end.length)}`);
}

/** Rows that stay as they are were measured on what is not named now. */
function withVersionsBefore(measured: string, table: readonly string[]): string {
  const [, before = ''] = /^Measured (?:last )?\S+ on (.*)\.$/m.exec(table.join('\n')) ?? [];
  const nameOf = (item: string) => item.replace(/ \S+$/, '');
  const items = measured.split(', ');
  const names = items.map(nameOf);
  const kept = before.split(', ').filter((item) => item !== '' && !names.includes(nameOf(item)));
  return [...items, ...kept].join(', ');
}
