#!/usr/bin/env node
/**
 * The `conclave` command: members, elections and views of them from a shell.
 *
 * Guarantees: exit codes are those of exit-codes.ts; answers go to stdout and everything else to stderr; a reader
 * that goes away ends it quietly.
 *
 * Must not: hold logic that a program would need too: that belongs into the layers below.
 */
import { reportOf } from './failure.ts';
import { endQuietlyOnClosedPipe } from './output.ts';
import { runProgram } from './program.ts';

endQuietlyOnClosedPipe([process.stdout]);
// A terminal that went away must not end what goes on without it.
process.stderr.on('error', () => {});
process.on('uncaughtException', (error) => {
  const { exitCode, message } = reportOf(error);
  process.stderr.write(`conclave: ${message}\n`);
  process.exit(exitCode);
});
process.exit(await runProgram(process.argv.slice(2)));
