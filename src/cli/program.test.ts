import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { loadCommands } from './commands.ts';
import { addExamples } from './examples.ts';
import { makeProgram } from './program.ts';

/** Each command and its subcommands, with what `--help` prints. */
function* helps(command: Command, path: readonly string[] = ['conclave']): Generator<[string, string]> {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  yield [path.join(' '), help];
  for (const child of command.commands) yield* helps(child, [...path, child.name()]);
}

test('the help of every command has an example, which begins with that command', async () => {
  const all = new Map(helps(makeProgram(await loadCommands(), () => {})));
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

test('every example is of a command that there is', async () => {
  assert.deepEqual(addExamples(makeProgram(await loadCommands(), () => {})), []);
});

test('a command line loads the command that it names, under that name, and without one all of them', async () => {
  const names = async (word?: string) =>
    makeProgram(await loadCommands(word), () => {}).commands.map((command) => command.name());
  const all = await names();
  assert.ok(all.length > 20);
  assert.deepEqual(await names('no-such-command'), all);
  assert.deepEqual(await names('constructor'), all);
  for (const name of all) {
    if (name !== 'version') assert.deepEqual(await names(name), [name, 'version']);
  }
});
