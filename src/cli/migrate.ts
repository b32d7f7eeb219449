import { type Command, Option } from 'commander';
import { ConclaveError } from '../errors/index.ts';
import { openStore, type StoreSchema, schemaOfStore } from '../stores/urls.ts';
import { storeHelp } from './client-options.ts';
import { parseTimerMs } from './durations.ts';
import { exitCodes } from './exit-codes.ts';
import { CommandFailure } from './failure.ts';
import { parseWholeNumber } from './numbers.ts';

const examples = `
Run it once, by a user who may make tables; then the processes need none of those rights. What is there already stays as
it is, so it may run again at each deployment, and any number of times at once. At the end the store is opened and read,
as a process of yours would, so a table of another program, or a server that will not do, is told now.

Examples:
  $ conclave migrate --store postgres://admin@db/app           # makes the table where it is missing
  $ conclave migrate --store mysql://admin@db/app --print      # the SQL, for a migration of your own
  $ conclave migrate --store nats://n1:4222,n2:4222,n3:4222 --replicas 3`;

/** As `observe --once`: what takes longer is making things, not an answer. */
const answerMs = 5000;

const nothing = 'Nothing is to be made for this store.';

interface MigrateFlags {
  readonly store?: string;
  readonly print?: boolean;
  readonly replicas?: string;
  readonly timeout: string;
}

export function addMigrate(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('migrate')
    .description('Make what a store needs before it can be used: its table, bucket or index.')
    .addOption(new Option('--store <URL>', 'The store, as postgres://HOST/DATABASE.').env('CONCLAVE_STORE'))
    .option('--print', 'Only print it, as SQL, CQL or commands of the vendor’s tool; connects to nothing.')
    .option('--replicas <COUNT>', 'Of a bucket (NATS) or keyspace (Cassandra) that is made. Default: 3.')
    .option(
      '--timeout <DURATION>',
      'How long making it may take; who gives no answer is told of after 5s.',
      '60s',
    )
    .addHelpText('after', `${examples}\n${storeHelp}`)
    .action(async ({ store: url = '', print = false, replicas, timeout }: MigrateFlags) => {
      if (url.trim() === '')
        throw new CommandFailure('usage', 'Say which store: --store URL, or CONCLAVE_STORE.');
      const timeoutMs = parseTimerMs(timeout, '--timeout');
      const count = replicas === undefined ? undefined : parseWholeNumber(replicas, '--replicas', 1, 100);
      if (count !== undefined && !/^\s*(nats|tls|cassandra|scylla):/i.test(url))
        throw new CommandFailure('usage', '--replicas is for NATS and Cassandra: leave it out.');
      const schema = await schemaOfStore(url, { replicas: count }, process.env);
      if (print && schema === undefined) process.stderr.write(`conclave: ${nothing}\n`);
      else if (print) process.stdout.write(schema?.text ?? '');
      else await migrate(url, schema, timeoutMs);
      finish(exitCodes.ok.code);
    });
}

async function migrate(url: string, schema: StoreSchema | undefined, timeoutMs: number): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  const leftMs = () => Math.max(1, untilMs - performance.now());
  const look = () => store.read('conclave migrate', { timeoutMs: Math.min(answerMs, leftMs()) });
  const say = (sentence: string) => process.stdout.write(`${sentence}\n`);
  await using store = await openStore(url, process.env);
  if (schema?.make !== undefined) {
    // That something is missing is why we are here; but drivers that are to make it wait far longer for an answer.
    await look().catch((error: unknown) => {
      if (ConclaveError.is(error, 'timeout')) throw error;
    });
    const made = await withinTime(schema.make(), `${schema.what} in ${store.description}`, leftMs());
    say(made ? `Made ${schema.what}.` : `There is ${schema.what} already: it stays as it is.`);
  } else if (schema !== undefined) {
    say(`Nothing is made: ${schema.what} is yours to make (--print says how).`);
  } else {
    say(nothing);
  }
  await look();
  say(`Elections can be held in ${store.description}: it was opened, and read.`);
}

async function withinTime(made: Promise<boolean>, what: string, timeoutMs: number): Promise<boolean> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new CommandFailure(
        'unreachable',
        `Making ${what} took longer than --timeout: does the server answer? Run it again to see what there is.`,
      ),
    );
  }, timeoutMs);
  try {
    return await Promise.race([made, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
