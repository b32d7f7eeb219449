import type { Command } from 'commander';
import { addEndpoints, endpointsOf } from '../../client-options.ts';
import { parseDurationMs } from '../../durations.ts';
import { exitCodes } from '../../exit-codes.ts';
import { styler, toJsonLine, wantsColour } from '../../output.ts';
import { gather } from './gather.ts';
import { type Finding, judgeCluster } from './judge.ts';

const help = `
Asks all members of the cluster, grants and revokes a few leases (no key changes), and measures for a few seconds. Exits
with 0 where nothing is wrong, warnings included; with 1 where something is; with 101 where no member answered.

Examples:
  $ conclave check
  $ conclave check --endpoints http://10.0.0.1:2379 --for 30s     # clock rates to a tenth of the usual doubt`;

interface CheckOptions {
  readonly endpoints?: string;
  readonly json?: boolean;
  readonly for: string;
  readonly timeout: string;
}

export function addCheck(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('check')
    .description('Look whether the cluster is well, and say what to do where it is not.')
    .option('--json', 'One JSON object with members and findings.')
    .option('--for <DURATION>', 'How long to measure clock rates.', '3s')
    .option('--timeout <DURATION>', 'How long to wait for each answer.', '2s')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (options: CheckOptions) => {
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const forMs = parseDurationMs(options.for, '--for');
    const observations = await gather(endpointsOf(options.endpoints), { timeoutMs, forMs });
    const findings = judgeCluster(observations);
    process.stdout.write(
      options.json === true
        ? `${toJsonLine({ ...observations, findings })}\n`
        : textOf(findings, wantsColour(process.stdout)),
    );
    const reached = observations.members.some((member) => member.facts !== undefined);
    const bad = findings.some(({ level }) => level === 'problem');
    finish((reached ? (bad ? exitCodes.failed : exitCodes.ok) : exitCodes.unreachable).code);
  });
}

const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const;

export function textOf(findings: readonly Finding[], colour: boolean): string {
  const style = styler(colour);
  return findings
    .map(({ level, what, advice }) => {
      const line = `${style(colours[level], level.padEnd(7))}  ${what}\n`;
      return advice === undefined ? line : `${line}         ${advice}\n`;
    })
    .join('');
}
