import { exitCodeOfSignal } from './exit-codes.ts';
import { reportOf } from './failure.ts';
import { endQuietlyOnClosedPipe, written } from './output.ts';
import { runProgram } from './program.ts';

/** Runs the command with these words, to the end of the process. */
export async function enter(words: readonly string[]): Promise<never> {
  // What packages do that Node will not do for ever is for us to mend, not for who runs a command.
  process.noDeprecation = true;
  endQuietlyOnClosedPipe([process.stdout]);
  // A terminal that went away must not end what goes on without it.
  process.stderr.on('error', () => {});
  process.on('uncaughtException', (error) => {
    const { exitCode, message } = reportOf(error);
    process.stderr.write(`conclave: ${message}\n`);
    process.exit(exitCode);
  });
  const exitCode = await runProgram(words);
  // Who interrupts does not wait for a reader that has stopped reading.
  if (exitCode < exitCodeOfSignal(0)) await written(process.stdout);
  process.exit(exitCode);
}
