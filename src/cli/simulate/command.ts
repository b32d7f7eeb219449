import type { Command } from 'commander';
import { describeExitCodes } from '../exit-codes.ts';
import { resolveSimulateOptions, type SimulateFlags } from './options.ts';

const examples = `
Lives whole lives of a cluster, one for each seed: the code that production runs, on simulated time, network and disks,
under faults, while clients and candidates use it. Every claim is checked at every step. The same seed gives the same
life, on any machine. Without --seed the first seed is drawn, and printed.

Examples:
  $ conclave simulate                                  # 100 seeds
  $ conclave simulate --minutes 10 --faults disk
  $ conclave simulate --seed 4711 --trace              # one life, with all that took place in it
  $ conclave simulate --seed 4711 --shrink             # fewer faults that still break the same claim
  $ conclave simulate --race                           # why a lease alone does not protect a file

Exit codes:
${describeExitCodes('simulate')}`;

export function addSimulate(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('simulate')
    .description('Prove it: live thousands of cluster lives under faults, and check every claim.')
    .option('--seed <N>', 'The life to live, or the first one of --seeds or --minutes. Default: drawn.')
    .option('--seeds <N>', 'How many lives. Default: 100, or 1 where only --seed is given.')
    .option('--minutes <N>', 'Begin further lives for so long, by the clock of this machine.')
    .option('--members <N>', 'Members of the cluster, 1 to 7.', '3')
    .option('--clients <N>', 'Client processes, 0 to 100.', '8')
    .option('--candidates <N>', 'Candidates for the leadership, 0 to 50.', '3')
    .option('--seconds <N>', 'Simulated seconds under faults in each life, 1 to 86400.', '30')
    .option('--faults <KIND>', 'none, network, disk, clock, process, membership or all.', 'all')
    .option('--only <NUMBERS>', 'Of the faults of one life let only these strike: 3,7 or none.')
    .option('--calm-links', 'No link loses, repeats or reorders, whatever was drawn.')
    .option('--sharing <WHAT>', 'What processes share besides the election, or none. Default: drawn.')
    .option('--users <ANSWER>', 'yes or no: whether members ask who calls. Default: drawn.')
    .option(
      '--divergence <ANSWER>',
      'yes or no: whether the state of a member comes to differ. Default: drawn.',
    )
    .option('--compaction <HOW>', 'by-clients, by-time or by-revisions. Default: drawn.')
    .option('--burst <N>', 'Operations that a client sends at once, 1 to 64. Default: drawn.')
    .option(
      '--compare-every <MS>',
      'Members are compared so often, in simulated ms; 0: never. Default: drawn.',
    )
    .option('--trace [FILE]', 'Write all that took place in the life, or in the first that failed.')
    .option('--shrink', 'Look for a smaller life that breaks the same claim.')
    .option('--jobs <N>', 'Lives at a time, 1 to 256. Default: as many as there are cores.')
    .option('--keep-going', 'Do not end at the first failure.')
    .option(
      '--race',
      'Instead of lives, one scene: a stale write, taken without fencing and refused with it.',
    )
    .option('--json', 'The summary as one JSON object.')
    .addHelpText('after', examples)
    .action(async (flags: SimulateFlags, command: Command) => {
      if (flags.race === true) {
        const { runRace } = await import('./race.ts');
        const given = Object.keys(flags).filter((name) => command.getOptionValueSource(name) !== 'default');
        finish(await runRace(flags, given));
        return;
      }
      const options = resolveSimulateOptions(flags);
      const { runSimulate } = await import('./run.ts');
      finish(await runSimulate(options));
    });
}
