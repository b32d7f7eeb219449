import { type ConclaveClient, connectClient, type TransportFactory } from '../../client/index.ts';
import type { LeaseStore } from '../../election/store.ts';
import type { Runtime } from '../../runtime/types.ts';
import { conclaveStore } from '../../stores/conclave.ts';
import type { Process } from '../world/process.ts';
import { watchLeases } from './lease-sight.ts';
import type { ElectionReports } from './reports.ts';
import type { Program } from './subject.ts';

export interface ConnectOptions {
  readonly reports: ElectionReports;
  readonly endpoints: readonly string[];
  readonly transport: (runtime: Runtime) => TransportFactory;
}

/** The client and the store of one life of a process; what they do with leases is reported. */
export function connected(
  process: Process,
  { endpoints, transport, reports }: ConnectOptions,
): { client: ConclaveClient; store: LeaseStore; close: () => Promise<void> } {
  const { runtime } = process;
  const client = connectClient({ endpoints, runtime, transport: transport(runtime), name: process.name });
  watchLeases(client, process, reports);
  const store = conclaveStore({ client });
  const close = async (): Promise<void> => {
    await store[Symbol.asyncDispose]();
    await client.close();
  };
  return { client, store, close };
}

export function closing(
  program: Omit<Program, 'close'>,
  close: () => Promise<void>,
  before?: () => Promise<void>,
): Program {
  return {
    get completed() {
      return program.completed;
    },
    get leads() {
      return program.leads ?? false;
    },
    async run() {
      await before?.();
      await program.run();
    },
    stop: () => program.stop(),
    unblocked: () => program.unblocked?.(),
    close,
  };
}
