// The thread of an embedded member: runs it, serves its API to the app's clients, and tells the app how it is.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Api, type ApiServer, openTls, serveApi, silentLogger } from '../api/index.ts';
import { ThreadPort } from '../client/index.ts';
import { ConclaveError } from '../errors/index.ts';
import { toThrown } from '../errors/thrown.ts';
import { type Logger, Member, type MemberHandle } from '../member/index.ts';
import type { AppMessage, LogLevel, WorkerMessage, WorkerOptions } from './messages.ts';
import { PortServer } from './port-server.ts';

/** Serves one member until it has stopped. Rejects with why it could not start, or stopped by a failure. */
async function run(app: MessagePort, options: WorkerOptions): Promise<void> {
  const tell = (message: WorkerMessage): void => app.postMessage(message);
  const early: AppMessage[] = [];
  const keep = (message: AppMessage): void => {
    early.push(message);
  };
  app.on('message', keep);
  const logger = options.logs ? logTo(tell) : undefined;
  using secured = await openTls({ clients: options.tls, peers: options.peerTls }, logger ?? silentLogger);
  const { runtime, clients: tls, certificates } = secured;
  const member = await Member.start({ ...options.member, runtime, ...(logger && { logger }) });
  const api = new Api(member, { runtime, ...(logger && { logger }) });
  let server: ApiServer | undefined;
  const connections = new Set<PortServer>();
  const stop = stopper(member, connections, () => server);
  try {
    if (options.listenClients.length > 0) {
      server = await serveApi(member, {
        ...{ runtime, certificates },
        listen: options.listenClients,
        ...(tls && { tls }),
        ...(logger && { logger }),
      });
    }
    const unsubscribe = member.onChange((status) => tell({ kind: 'changed', status }));
    const take = (message: AppMessage): void => {
      if (message.kind === 'stop') stop();
      else if (message.kind === 'status') {
        tell({ kind: 'status', request: message.request, status: member.status() });
      } else {
        const connection = new PortServer(api.registry, new ThreadPort(message.port), runtime);
        connections.add(connection);
        void connection.ended.then(() => connections.delete(connection));
      }
    };
    app.off('message', keep);
    app.on('message', take);
    const { clusterId, memberId } = member;
    tell({ kind: 'started', clusterId, memberId, clientAddresses: server?.addresses ?? [] });
    for (const message of early) take(message);
    await member.stopped;
    unsubscribe();
  } finally {
    for (const connection of connections) connection.close();
    await server?.close();
    await api[Symbol.asyncDispose]();
    await member.stop();
  }
}

/** Stops gracefully, once: holders move and the leadership is handed over while clients are still answered. */
function stopper(
  member: MemberHandle,
  connections: ReadonlySet<PortServer>,
  server: () => ApiServer | undefined,
): () => void {
  let stopping = false;
  return () => {
    if (stopping) return;
    stopping = true;
    const steps = async (): Promise<void> => {
      await member.prepareToStop();
      for (const connection of connections) connection.close();
      await server()?.close();
      await member.stop();
    };
    // How it ended is told by `member.stopped`.
    steps().catch(() => {});
  };
}

/** What a field holds may not cross threads as it is: an error, a function. */
function logTo(tell: (message: WorkerMessage) => void): Logger {
  const log =
    (level: LogLevel) =>
    (fields: object, message: string): void =>
      tell({ kind: 'log', level, fields: plain(fields), message });
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
}

function plain(fields: object): object {
  const text = JSON.stringify(fields, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Error ? { message: value.message, stack: value.stack } : value;
  });
  return JSON.parse(text) as object;
}

const app = parentPort;
if (app === null)
  throw new ConclaveError('internal', 'The thread of an embedded member was started as a program.');
run(app, workerData as WorkerOptions)
  .then(
    () => app.postMessage({ kind: 'stopped' } satisfies WorkerMessage),
    (error: unknown) => app.postMessage({ kind: 'stopped', error: toThrown(error) } satisfies WorkerMessage),
  )
  .finally(() => app.close());
