import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { makeProgram } from './program.ts';

/** Each command and its subcommands, with what `--help` prints. */
function* helps(command: Command, path: readonly string[] = ['conclave']): Generator<[string, string]> {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  yield [path.join(' '), help];
  for (const child of command.commands) yield* helps(child, [...path, child.name()]);
}

test('the help of every command has an example, which begins with that command', () => {
  const all = new Map(helps(makeProgram(() => {})));
  assert.ok(all.size > 40);
  for (const [path, help] of all) {
    const examples = help
      .split(/\n(?:Examples?\b.*|Start here):\n/)
      .slice(1)
      .join('\n');
    const own = path === 'conclave' || path === 'conclave serve' ? 'conclave' : path;
    assert.match(examples, new RegExp(`^ +\\$ (?:[A-Z_]+=\\S+ )*${own}\\b`, 'm'), `${path} --help`);
  }
});
