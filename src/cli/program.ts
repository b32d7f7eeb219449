import { Command, CommanderError } from 'commander';
import { version } from '../member/version.ts';
import { chooseSecurity } from './client-security.ts';
import { addDev } from './dev/command.ts';
import { addElect } from './elect/command.ts';
import { addExamples } from './examples.ts';
import { describeExitCodes, exitCodes } from './exit-codes.ts';
import { CommandFailure, reportOf } from './failure.ts';
import { addDel } from './keys/del.ts';
import { addGet } from './keys/get.ts';
import { addPut } from './keys/put.ts';
import { addWatch } from './keys/watch.ts';
import { addMigrate } from './migrate.ts';
import { addObserve } from './observe.ts';
import { addAlarm } from './operations/alarm.ts';
import { addCheck } from './operations/check/command.ts';
import { addCompact } from './operations/compact.ts';
import { addDefrag } from './operations/defrag.ts';
import { addMember } from './operations/member.ts';
import { addMoveLeader } from './operations/move-leader.ts';
import { addSnapshot } from './operations/snapshot.ts';
import { addServe } from './serve/command.ts';
import { refusalOfEtcdFlag, withDoubleDashes } from './serve/flags.ts';
import { addSimulate } from './simulate/command.ts';
import { addStatus } from './status.ts';
import { addAuth } from './users/auth.ts';
import { addRole } from './users/role.ts';
import { addUser } from './users/user.ts';

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
  const program = makeProgram(finish);
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

/** All commands; `finish` hears what the process is to exit with. */
export function makeProgram(finish: (exitCode: number) => void): Command {
  const program = new Command('conclave')
    .description('Leader election with fencing tokens, on a Raft cluster that speaks the etcd v3 API.')
    .version(version, '--version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help, or that of a command.')
    .showHelpAfterError('Try --help.')
    .configureHelp({ helpWidth: 110 })
    .addHelpText('after', help)
    .exitOverride()
    .hook('preAction', (_program, command) => chooseSecurity(command));
  addServe(program, finish);
  addDev(program, finish);
  addElect(program, finish);
  addObserve(program, finish);
  addGet(program, finish);
  addPut(program, finish);
  addDel(program, finish);
  addWatch(program, finish);
  addMigrate(program, finish);
  addStatus(program, finish);
  addCheck(program, finish);
  addMember(program);
  addMoveLeader(program);
  addSnapshot(program, finish);
  addCompact(program, finish);
  addDefrag(program, finish);
  addAlarm(program, finish);
  addAuth(program, finish);
  addUser(program, finish);
  addRole(program, finish);
  addSimulate(program, finish);
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
