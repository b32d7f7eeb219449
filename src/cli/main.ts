#!/usr/bin/env node
/**
 * The `conclave` command: members, elections and views of them from a shell.
 *
 * Guarantees: exit codes are those of exit-codes.ts; answers go to stdout and everything else to stderr; a reader
 * that goes away ends it quietly.
 *
 * Must not: hold logic that a program would need too: that belongs into the layers below.
 */
import { exitCodes } from './exit-codes.ts';

const oldestNode = [22, 18] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
  const message = `conclave: Node ${oldestNode.join('.')} or newer is needed; this is ${process.version}.`;
  process.stderr.write(`${message}\n`);
  process.exit(exitCodes.usage.code);
}
// Only now: what it imports uses what older versions do not have.
const { enter } = await import('./entry.ts');
await enter(process.argv.slice(2));
