// A thread of the pool: lives one life after the other and tells how each ended.
import { parentPort, workerData } from 'node:worker_threads';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { LifeOptions, LifeResult } from '../life/types.ts';
import type { WorkerMessage, WorkerSettings } from './messages.ts';

type Runner = { readonly runLife: (options: LifeOptions) => Promise<LifeResult> };

const port = parentPort;
if (port === null) throw new ConclaveError('internal', 'A thread of the simulator was started as a program.');
const { runner } = workerData as WorkerSettings;
const { timers } = nodeRuntime();
// Loaded while the first message waits; a module that cannot be loaded fails each life that wants it.
const loaded = import(runner) as Promise<Runner>;
loaded.catch(() => {});

async function live(options: LifeOptions): Promise<WorkerMessage> {
  try {
    const { runLife } = await loaded;
    return { kind: 'lived', result: await runLife(options) };
  } catch (error) {
    // What is wrong with the code under test is a result; this is about what was asked for.
    if (ConclaveError.is(error, 'invalid-argument')) return { kind: 'refused', message: error.message };
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'threw', error: { message, stack } };
  }
}

port.on('message', (options: LifeOptions) => {
  // A promise that was rejected and left alone ends the thread before the next turn, and so fails this life.
  void live(options).then((message) => timers.nextTurn(() => port.postMessage(message)));
});
