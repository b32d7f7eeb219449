import { type Command, Option } from 'commander';
import { readConfigurationFile } from './configuration-file.ts';
import { configFileFlag, serveFlags, variableOf } from './flags.ts';
import { resolveOptions } from './options.ts';
import { collectSettings, unknownVariables, variablesOfEtcd } from './settings.ts';

const examples = `
A flag wins over its environment variable (--data-dir is CONCLAVE_DATA_DIR), and that over the file.

Examples:
  # one member, on 127.0.0.1:2379 and 2380, data in ./default.conclave
  $ conclave serve

  # the first of three members; the others differ in name and addresses
  $ conclave serve --name m1 --data-dir /var/lib/conclave \\
      --listen-client-urls http://10.0.0.1:2379 --listen-peer-urls http://10.0.0.1:2380 \\
      --initial-cluster m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380

  # the same from a file with lines such as "data-dir: /var/lib/conclave"
  $ conclave serve --config-file /etc/conclave.yaml

SIGTERM and SIGINT stop it gracefully, a second one at once.`;

/** Adds `conclave serve`. `finish` gets the exit code. */
export function addServe(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('serve')
    .description("Run a member: an etcd-compatible store with leader election. The flags are etcd's.")
    .addHelpText('after', examples);
  for (const flag of serveFlags) {
    const option = new Option(
      `--${flag.name} <${flag.argument}>`,
      `${flag.description} Default: ${flag.defaultText}.`,
    );
    command.addOption(option);
  }
  command.option(`--${configFileFlag} <PATH>`, 'YAML file with the names of these flags as keys.');
  command.addOption(new Option('--stop-with-stdin', 'End when stdin ends.').hideHelp());
  command.action(async () => {
    const { environment, flags, stopWithStdin } = { environment: process.env, ...givenFlags(command) };
    const path = flags[configFileFlag] ?? environment[variableOf(configFileFlag)];
    const file =
      path === undefined || path === '' ? undefined : { path, content: await readConfigurationFile(path) };
    const options = resolveOptions(collectSettings({ flags, environment, file }), process.cwd());
    // Loaded when needed: the other commands start without the server.
    const { runServe } = await import('./run.ts');
    const ignored = {
      unknownVariables: unknownVariables(environment),
      variablesOfEtcd: variablesOfEtcd(environment),
    };
    finish(await runServe(options, { stopWithStdin, ...ignored }));
  });
}

/** The flags by their own names; commander has them in camel case. */
function givenFlags(command: Command): { flags: Record<string, string>; stopWithStdin: boolean } {
  const values = command.opts<Record<string, string | boolean | undefined>>();
  const flags: Record<string, string> = {};
  for (const option of command.options) {
    const value = values[option.attributeName()];
    if (typeof value === 'string') flags[(option.long ?? '').replace(/^--/, '')] = value;
  }
  return { flags, stopWithStdin: values.stopWithStdin === true };
}
