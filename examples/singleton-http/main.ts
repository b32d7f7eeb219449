/** Three replicas, three clients that take tickets, a leader that is killed, and one that is paused. */
import { join } from 'node:path';
import { Child } from '../shared/child.ts';
import { openCluster } from '../shared/cluster.ts';
import { type Answer, TicketClient } from './client.ts';

const cluster = await openCluster();
const environment = { CONCLAVE_ENDPOINTS: cluster.endpoints, PORT: '0' };
const replicas = ['replica1', 'replica2', 'replica3'].map(
  (name) => new Child(name, join(import.meta.dirname, 'replica.ts'), { environment }),
);
const urls = await Promise.all(
  replicas.map(async (replica) => (await replica.wrote(/^listens on (\S+)/))[1] ?? ''),
);
/** What each client got, in that order. */
const clients = urls.map((_, position) => ({
  client: new TicketClient(urls, position),
  answers: [] as Answer[],
}));

const first = replicaAt(await takeEach(20));
console.log('Killing the leader.');
await first.kill();
const second = replicaAt(await takeEach(20));
console.log('Pausing the next leader.');
second.signal('SIGSTOP');
await takeEach(20);
console.log('Waking it.');
second.signal('SIGCONT');
await takeEach(20);
await Promise.all(replicas.map((replica) => replica.stop()));
await cluster.stop();

const answers = clients.flatMap((client) => client.answers);
const differ = new Set(answers.map(({ ticket }) => ticket)).size === answers.length;
const rise = clients.every((one) => isRising(one.answers.map(({ ticket }) => ticket)));
const redirected = answers.filter((answer) => answer.redirected).length;
const repeated = clients.reduce((sum, { client }) => sum + client.repeated, 0);
const leaders = new Set(answers.map(({ from }) => from)).size;
console.log(`${answers.length} tickets from ${leaders} leaders; ${redirected} requests were redirected`);
console.log(`${repeated} requests had to be repeated`);
console.log(differ ? 'no ticket was handed out twice' : 'A TICKET WAS HANDED OUT TWICE');
console.log(rise ? 'each client saw rising numbers' : 'THE NUMBERS OF A CLIENT FELL');
process.exitCode = differ && rise ? 0 : 1;

/** Each client takes so many tickets, all at a time; gives the address of the last one who handed out any. */
async function takeEach(count: number): Promise<string> {
  const last = await Promise.all(
    clients.map(async (one) => {
      for (let taken = 0; taken < count; taken++) one.answers.push(await one.client.take());
      return one.answers.at(-1);
    }),
  );
  const tickets = last.flatMap((answer) => answer?.ticket ?? []);
  console.log(`clients  took ${clients.length * count} tickets; the last are ${tickets.join(', ')}`);
  return last[0]?.from ?? '';
}

function replicaAt(url: string): Child {
  const replica = replicas[urls.indexOf(url)];
  if (replica === undefined) throw new Error(`no replica is at ${url}`);
  return replica;
}

/** Tickets are token.number. */
function isRising(tickets: readonly string[]): boolean {
  const numbers = tickets.map((ticket) => ticket.split('.').map(Number));
  return numbers.every(([token = 0, number = 0], at) => {
    const [tokenBefore = 0, numberBefore = 0] = numbers[at - 1] ?? [];
    return token > tokenBefore || (token === tokenBefore && number > numberBefore);
  });
}
