import {
  CampaignRequest,
  type LeaderKey,
  LeaseGrantRequest,
  RangeRequest,
  ResignRequest,
  services,
} from '../../src/wire/index.ts';
import type { Row, RunOptions } from '../row.ts';
import { format, median } from '../statistics.ts';
import { connect, type Kind, pause, System } from '../systems.ts';

const patienceMs = 300_000;
/** All led again by then, or the trial is given up. */
const longestMs = 20_000;
const encoder = new TextEncoder();
type Transport = ReturnType<typeof connect>;

/** One who stands in all elections, under one lease, over connections to all members. */
class Party {
  readonly #transports: readonly Transport[];
  readonly #lease: bigint;
  readonly #value: Uint8Array;

  static async make(system: System, name: string): Promise<Party> {
    const transports = system.members.flatMap(({ clientUrl }) => [connect(clientUrl), connect(clientUrl)]);
    const [first] = transports as [Transport];
    const { ID } = await first.unary(services.Lease.leaseGrant, LeaseGrantRequest.create({ TTL: 600 }), {
      timeoutMs: patienceMs,
    });
    return new Party(transports, ID, encoder.encode(name));
  }

  private constructor(transports: readonly Transport[], lease: bigint, value: Uint8Array) {
    this.#transports = transports;
    this.#lease = lease;
    this.#value = value;
  }

  /** Resolves when it leads. */
  async campaign(election: number): Promise<LeaderKey> {
    const name = encoder.encode(`election/${String(election).padStart(6, '0')}`);
    const request = CampaignRequest.create({ name, lease: this.#lease, value: this.#value });
    const { leader } = await this.#of(election).unary(services.Election.campaign, request, {
      timeoutMs: patienceMs,
    });
    if (leader === undefined) throw new Error('A campaign was answered without a leader.');
    return leader;
  }

  async resign(election: number, leader: LeaderKey): Promise<void> {
    const request = ResignRequest.create({ leader });
    await this.#of(election).unary(services.Election.resign, request, { timeoutMs: patienceMs });
  }

  /** Keys of all who stand in an election. */
  async standing(): Promise<number> {
    const [key, rangeEnd] = [encoder.encode('election/'), encoder.encode('election0')];
    const request = RangeRequest.create({ key, rangeEnd, countOnly: true });
    return (await this.#of(0).unary(services.KV.range, request, { timeoutMs: patienceMs })).count;
  }

  close(): void {
    for (const transport of this.#transports) transport.close();
  }

  #of(election: number): Transport {
    return this.#transports[election % this.#transports.length] as Transport;
  }
}

/** From the first resignation until all are led again, by those who waited. */
async function trials(kind: Kind, count: number, rounds: number): Promise<string> {
  await using system = await System.start(kind);
  const elections = Array.from({ length: count }, (_, number) => number);
  const parties = await Promise.all(['first', 'second'].map((name) => Party.make(system, name)));
  let [leading, waiting] = parties as [Party, Party];
  let leaders = await Promise.all(elections.map((number) => leading.campaign(number)));
  const figures: number[] = [];
  // The first one shows how servers warm up, which is not asked here.
  for (let round = 0; round <= rounds; round++) {
    const campaigns = elections.map((number) => waiting.campaign(number));
    while ((await waiting.standing()) < 2 * elections.length) await pause(20);
    // All of them wait for what is ahead of them.
    await pause(200);
    const startMs = performance.now();
    const resigned = elections.map((number) => leading.resign(number, leaders[number] as LeaderKey));
    let led = 0;
    for (const campaign of campaigns) campaign.then(() => (led += 1)).catch(() => {});
    for (const resignation of resigned) resignation.catch(() => {});
    const all = await Promise.race([Promise.all(campaigns), pause(longestMs)]);
    if (all === undefined) {
      for (const party of parties) party.close();
      return `${led} of ${count} led again after ${longestMs / 1000} s`;
    }
    leaders = all;
    figures.push(performance.now() - startMs);
    await Promise.all(resigned);
    [leading, waiting] = [waiting, leading];
  }
  for (const party of parties) party.close();
  const measured = figures.slice(1);
  return `${format(median(measured))} ms (${format(Math.min(...measured))} to ${format(Math.max(...measured))})`;
}

/** Two hundred are what etcd manages, too. */
async function both(kind: Kind, { quick }: RunOptions): Promise<string> {
  if (quick) return await trials(kind, 50, 1);
  return `${await trials(kind, 1000, 5)}; of 200 elections: ${await trials(kind, 200, 5)}`;
}

export const campaignRows: readonly Row[] = [
  {
    name: 'campaigns',
    what: '1,000 elections with one waiting in each (etcd’s Election API), all leaders resign at once: until all are led again',
    goal: 'below a third of etcd’s',
    async run(options) {
      return {
        conclave: await both('conclave', options),
        etcd: options.etcd ? await both('etcd', options) : undefined,
      };
    },
  },
];
