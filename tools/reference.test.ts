// What the documents say about the program is held against the program.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { loadCommands } from '../src/cli/commands.ts';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { makeProgram } from '../src/cli/program.ts';
import { serveFlags, variableOf } from '../src/cli/serve/flags.ts';
import { errorCodes } from '../src/errors/index.ts';
import { version } from '../src/member/version.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** Cells of the rows of all tables in a text, without heading rows. */
function rows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const isBody = (line: string, place: number) =>
    !line.startsWith('|---') && !(lines[place + 1] ?? '').startsWith('|---');
  return lines.filter(isBody).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

function section(text: string, heading: string): string {
  const [, after] = text.split(`\n## ${heading}\n`);
  assert.ok(after !== undefined, `no section ${heading}`);
  return after.split('\n## ')[0] ?? '';
}

const code = (text: string) => `\`${text}\``;

test('each error code is documented once, with its meaning, and no other is', () => {
  const documented = rows(read('docs/reference/errors.md'));
  assert.deepEqual(documented.map(([name]) => name).sort(), Object.keys(errorCodes).map(code).sort());
  for (const [name, meaning] of Object.entries(errorCodes)) {
    const row = documented.find(([first]) => first === code(name));
    assert.ok(row?.[1]?.startsWith(meaning), `${name}: ${row?.[1]} does not begin with "${meaning}"`);
    assert.equal(row?.length, 4, name);
  }
});

test('the exit codes are documented as the program has them', () => {
  const documented = rows(section(read('docs/reference/cli.md'), 'Exit codes'));
  const known = Object.values(exitCodes).map(({ code: number, meaning }) => [String(number), meaning]);
  assert.deepEqual(documented.slice(0, -1), known);
  assert.equal(documented.at(-1)?.[0], '128+n');
});

test('the flags of serve are documented with variable, default and meaning', () => {
  const documented = rows(section(read('docs/reference/cli.md'), 'conclave serve'));
  const known = serveFlags.map(({ name, argument, defaultText, description }) => [
    ...[code(`--${name} ${argument}`), code(variableOf(name)), defaultText, description],
  ]);
  assert.deepEqual(documented.slice(0, known.length), known);
  const fileFlag = documented.slice(known.length).map(([flag, variable]) => [flag, variable]);
  assert.deepEqual(fileFlag, [[code('--config-file PATH'), code('CONCLAVE_CONFIG_FILE')]]);
});

/** By the words that name it, each command that does something. */
function* leaves(command: Command, path: readonly string[] = []): Generator<[string, Command]> {
  if (command.commands.length === 0) yield [path.join(' '), command];
  for (const child of command.commands) yield* leaves(child, [...path, child.name()]);
}

const commands = new Map(leaves(makeProgram(await loadCommands(), () => {})));

/** Flags and their texts as `--help` prints them, lines that were wrapped joined again. */
function flagsOf(command: Command): [string, string][] {
  const help = command.helpInformation();
  const [, options = ''] = help.split('\nOptions:\n');
  const found: [string, string][] = [];
  for (const line of (options.split('\n\n')[0] ?? '').split('\n')) {
    const [, flag, text] = /^ {2}(-.*?) {2,}(.*)$/.exec(line) ?? [];
    if (flag !== undefined && text !== undefined) found.push([flag, text]);
    else {
      const last = found.at(-1);
      if (last !== undefined) last[1] += ` ${line.trim()}`;
    }
  }
  return found;
}

// Those of serve have a table of another shape; version has none.
for (const [name, command] of commands) {
  if (name === 'serve' || name === 'version') continue;
  test(`the flags of ${name} are documented as --help prints them`, () => {
    const documented = rows(section(read('docs/reference/cli.md'), `conclave ${name}`));
    const printed = flagsOf(command).filter(([flag]) => !flag.startsWith('-h,'));
    assert.deepEqual(
      documented,
      printed.map(([flag, text]) => [code(flag.replace(/<(.*)>/, '$1')), text]),
    );
  });
}

test('the version in the code is that of the package and of its lock file', () => {
  const lock = JSON.parse(read('package-lock.json')) as { version: string };
  assert.equal(version, (JSON.parse(read('package.json')) as { version: string }).version);
  assert.equal(version, lock.version);
});

test('links between documents lead to what is there', () => {
  for (const file of globSync(['*.md', 'docs/**/*.md', '.github/**/*.md'], { cwd: root })) {
    for (const match of read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const target = join(root, dirname(file), match[1] ?? '');
      assert.ok(existsSync(target), `${file}: ${match[1]}`);
    }
  }
});
