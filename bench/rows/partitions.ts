import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LeaseStore } from '../../src/election/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import type { Row } from '../row.ts';
import { format, median, milliseconds } from '../statistics.ts';
import { pause, System } from '../systems.ts';
import { usage } from '../usage.ts';

const script = fileURLToPath(new URL('../partitions.ts', import.meta.url));
const name = 'bench';
const partitions = 1000;
/** Of those that stay: nineteen clients in three processes, since the machine has not cores for twenty. */
const groups = [7, 6, 6];

interface Clients {
  readonly process: ChildProcess;
  readonly lines: Interface;
}

async function start(endpoints: readonly string[], holders: readonly string[]): Promise<Clients> {
  const args = [script, endpoints.join(','), name, String(partitions), ...holders];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const clients = {
    process: child,
    lines: createInterface({ input: child.stdout as NodeJS.ReadableStream }),
  };
  await once(clients.lines, 'line');
  return clients;
}

async function requestsOf({ process: child, lines }: Clients): Promise<number> {
  const answer = once(lines, 'line');
  child.stdin?.write('count\n');
  return Number(String((await answer)[0]).split(' ')[1]);
}

/** Who leads each partition, kept current by a watch. */
class Leaders implements AsyncDisposable {
  readonly holders = new Map<string, string | undefined>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wake: () => void = () => {};

  constructor(store: LeaseStore) {
    this.#running = this.#run(store);
  }

  async #run(store: LeaseStore): Promise<void> {
    const prefix = `${name}/`;
    for await (const states of store.watchAll?.(prefix, { signal: this.#stop.signal }) ?? []) {
      for (const [election, { leader }] of states) {
        const partition = election.slice(prefix.length);
        if (partition !== 'roster') this.holders.set(partition, leader?.holder);
      }
      this.#wake();
    }
  }

  count(fits: (holder: string) => boolean): number {
    let found = 0;
    for (const holder of this.holders.values()) if (holder !== undefined && fits(holder)) found += 1;
    return found;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** All led, and nothing has moved for a while. */
  async quiet(): Promise<void> {
    for (;;) {
      await this.until(() => this.count(() => true) === partitions);
      const before = [...this.holders.values()].join();
      await pause(1500);
      if ([...this.holders.values()].join() === before && this.count(() => true) === partitions) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

async function withClients<T>(
  use: (system: System, endpoints: readonly string[], staying: readonly Clients[]) => Promise<T>,
): Promise<T> {
  await using system = await System.start('conclave');
  const endpoints = system.members.map((member) => member.clientUrl);
  const staying: Clients[] = [];
  try {
    for (const [group, size] of groups.entries()) {
      const holders = Array.from({ length: size }, (_, client) => `client-${group}-${client}`);
      staying.push(await start(endpoints, holders));
    }
    return await use(system, endpoints, staying);
  } finally {
    for (const { process: child } of staying) child.kill('SIGKILL');
  }
}

async function crashTrials(count: number): Promise<string> {
  return withClients(async (_, endpoints) => {
    await using store = conclaveStore({ endpoints });
    await using leaders = new Leaders(store);
    const [figures, sizes]: [number[], number[]] = [[], []];
    for (let trial = 0; trial < count; trial++) {
      const victim = `victim-${trial}`;
      const { process: child } = await start(endpoints, [victim]);
      await leaders.quiet();
      sizes.push(leaders.count((holder) => holder === victim));
      const startMs = performance.now();
      child.kill('SIGKILL');
      await leaders.until(() => leaders.count((holder) => holder !== victim) === partitions);
      figures.push(performance.now() - startMs);
    }
    return `${milliseconds(figures)}; ${median(sizes)} partitions each`;
  });
}

async function idle(quick: boolean): Promise<string> {
  return withClients(async (system, endpoints, staying) => {
    const last = await start(endpoints, ['client-3-0']);
    try {
      await using store = conclaveStore({ endpoints });
      await using leaders = new Leaders(store);
      await leaders.quiet();
      await pause(quick ? 2000 : 10_000);
      const all = [...staying, last];
      const pids = system.members.map((member) => member.process.pid as number);
      const sum = async () =>
        (await Promise.all(all.map(requestsOf))).reduce((left, right) => left + right, 0);
      const [requestsBefore, before] = [await sum(), await Promise.all(pids.map(usage))];
      const startMs = performance.now();
      await pause(quick ? 5000 : 30_000);
      const elapsedMs = performance.now() - startMs;
      const [after, requestsAfter] = [await Promise.all(pids.map(usage)), await sum()];
      const shares = after.map((now, at) => ((now.cpuMs - (before[at]?.cpuMs ?? 0)) / elapsedMs) * 100);
      const perSecond = ((requestsAfter - requestsBefore) * 1000) / elapsedMs;
      return `${format(perSecond)} requests/s; CPU ${shares.map((share) => share.toFixed(2)).join(', ')} %`;
    } finally {
      last.process.kill('SIGKILL');
    }
  });
}

export const partitionRows: readonly Row[] = [
  {
    name: 'partition-crash',
    what: 'SIGKILL of one of 20 clients that share 1,000 partitions, to all of its partitions led again (19 clients in 3 processes, the one killed in its own)',
    goal: '–',
    async run({ quick }) {
      return { conclave: await crashTrials(quick ? 3 : 15), etcd: undefined };
    },
  },
  {
    name: 'partition-idle',
    what: '1,000 partitions led by 20 clients (in 4 processes), nothing happening: requests to the store, share of one core of each member',
    goal: 'one lease for each client',
    async run({ quick }) {
      return { conclave: await idle(quick), etcd: undefined };
    },
  },
];
