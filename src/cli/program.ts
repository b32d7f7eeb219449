import { Command, CommanderError } from 'commander';
import { version } from '../member/version.ts';
import { chooseSecurity } from './client-security.ts';
import { type AddCommand, loadCommands } from './commands.ts';
import { addExamples } from './examples.ts';
import { describeExitCodes, exitCodes } from './exit-codes.ts';
import { CommandFailure, reportOf } from './failure.ts';
import { refusalOfEtcdFlag, withDoubleDashes } from './serve/flags.ts';

const help = `
Start here:
  $ conclave dev                                  # watch an election on this machine
  $ conclave serve                                # a member on 127.0.0.1:2379
  $ conclave elect my-job -- ./my-job.sh          # run a command under leadership

Exit codes, of all commands:
${describeExitCodes()}`;

/** Runs one command line (without node and the file's name) and resolves to its exit code. */
export async function runProgram(words: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.ok.code;
  const finish = (code: number) => {
    exitCode = code;
  };
  const program = makeProgram(await loadCommands(words[0]), finish);
  try {
    const prepared = words[0] === 'serve' ? ['serve', ...withDoubleDashes(words.slice(1))] : [...words];
    if (prepared[0] === 'serve') refuseEtcdFlags(prepared);
    await program.parseAsync(prepared, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Help and version come this way too, with code 0; their text and that of errors is printed already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage.code;
    const report = reportOf(error);
    process.stderr.write(`conclave: ${report.message}\n`);
    return report.exitCode;
  }
}

/** With these commands; `finish` hears what the process is to exit with. */
export function makeProgram(commands: readonly AddCommand[], finish: (exitCode: number) => void): Command {
  const program = new Command('conclave')
    .description('Leader election with fencing tokens, on a Raft cluster that speaks the etcd v3 API.')
    .version(version, '--version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help, or that of a command.')
    .showHelpAfterError('Try --help.')
    .configureHelp({ helpWidth: 110 })
    .addHelpText('after', help)
    .exitOverride()
    .hook('preAction', (_program, command) => chooseSecurity(command));
  for (const add of commands) add(program, finish);
  program
    .command('version')
    .description('Print the versions of Conclave, Node.js and the machine.')
    .action(() => {
      process.stdout.write(
        `conclave ${version}\nnode ${process.versions.node}\n${process.platform} ${process.arch}\n`,
      );
    });
  addExamples(program);
  return program;
}

/** A flag that etcd knows and this does not is no typing error, and deserves a better answer than one. */
function refuseEtcdFlags(words: readonly string[]): void {
  for (const word of words) {
    const name = /^--([a-z][a-z0-9-]+)(=.*)?$/s.exec(word)?.[1];
    const why = name === undefined ? undefined : refusalOfEtcdFlag(name);
    if (why === undefined) continue;
    throw new CommandFailure('usage', `--${name} is a flag of etcd that conclave does not take: ${why}.`);
  }
}
