import { ConclaveError } from '../../../errors/index.ts';
import { fencedFetch, nodeFencing } from '../../../fencing/http/index.ts';
import { type FencedLeadership, fileGateStorage, tokenGate } from '../../../fencing/index.ts';
import { untilAborted } from '../../../fencing/until-aborted.ts';
import { SharedFolder } from '../../disk/index.ts';
import type { Host } from '../../world/host.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import { eventKinds } from '../../world/scheduler.ts';
import {
  type CallOptions,
  type Guarded,
  type GuardServer,
  readDirectly,
  resource,
  type ServerParts,
} from './guarded.ts';
import { NoAnswer, Wire } from './wire.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface FetchOptions {
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
}

const folder = '/gates';

/** What of node:http's response the middleware and the handler use. */
class SimulatedResponse {
  closed = false;
  headersSent = false;
  readonly #onClose: (() => void)[] = [];
  readonly #answer: (answer: Answer | undefined) => void;
  #status = 200;
  #headers: Readonly<Record<string, string>> = {};

  constructor(answer: (answer: Answer | undefined) => void) {
    this.#answer = answer;
  }

  writeHead(status: number, headers: Readonly<Record<string, string>>): void {
    this.headersSent = true;
    this.#status = status;
    this.#headers = headers;
  }

  end(body = ''): void {
    this.#answer({ status: this.#status, headers: this.#headers, body });
    this.#close();
  }

  /** Also what the server sees where its client went away. */
  destroy(): void {
    this.#answer(undefined);
    this.#close();
  }

  once(_event: 'close', listener: () => void): void {
    this.#onClose.push(listener);
  }

  #close(): void {
    this.closed = true;
    for (const listener of this.#onClose.splice(0)) listener();
  }
}

interface SimulatedRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A service behind the middleware for node:http, in a process of its own that is killed and started again: its gate
 * remembers on its disk. What it guards compares no token; a request that comes twice is known by the entry's text. On the
 * way a PUT may be repeated, as HTTP allows, and a POST is not.
 */
export class RequestServer implements GuardServer {
  readonly #parts: ServerParts;
  readonly #wire: Wire;
  readonly #host: Host;
  readonly #disk: SharedFolder;
  readonly #entries: string[] = [];
  #process: Process | undefined;
  #handle: ((request: SimulatedRequest, response: SimulatedResponse) => void) | undefined;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { world, random, faults, reports } = parts;
    this.#wire = new Wire({ world, random: random.fork('wire'), faults, reports, relays: true });
    this.#host = world.addHost('service');
    this.#disk = new SharedFolder(world, random.fork('disk'));
    this.#wire.onDown = () => {
      this.#process?.die();
      this.#process = undefined;
    };
  }

  connect(process: Process, random: Draw): Guarded {
    const call = (what: string, request: SimulatedRequest, repeats = true) =>
      this.#wire.call(process, what, () => this.#answer(request), { repeats });
    const fetch = async (url: string, init: FetchOptions): Promise<unknown> => {
      const headers = Object.fromEntries(init.headers);
      const answering = call(init.method, { url, headers }, init.method === 'PUT');
      const { status, headers: more, body } = await untilAborted(answering, init.signal);
      return { status, headers: new Headers(more), json: async () => JSON.parse(body) };
    };
    return new GuardedService(fetch as unknown as typeof globalThis.fetch, random, () =>
      call('read', { url: 'http://service/read', headers: {} }),
    );
  }

  /** Where the process ends before, no answer ever comes. */
  #answer(request: SimulatedRequest): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const process = this.#started();
    const response = new SimulatedResponse((answer) => {
      if (!process.alive) return;
      if (answer === undefined) reject(new NoAnswer('reset'));
      else resolve(answer);
    });
    process.after(0, eventKinds.network, () => this.#handle?.(request, response));
    // Its client goes away.
    if (this.#wire.chance(0.05)) {
      const afterUs = this.#parts.random.between(0, 500) * 1000;
      process.after(afterUs, eventKinds.network, () => response.destroy());
    }
    return promise;
  }

  #started(): Process {
    if (this.#process !== undefined) return this.#process;
    const { world } = this.#parts;
    const process = world.startProcess('service', this.#host);
    this.#process = process;
    const network = {
      listen: () => Promise.reject(new Error('The service has no network of its own.')),
      connect: () => Promise.reject(new Error('The service has no network of its own.')),
    };
    process.attach({ disk: this.#disk.of(process), network });
    const { runtime } = process;
    const gate = tokenGate({ storage: fileGateStorage(folder, { runtime }), runtime, waitMs: 1500 });
    const made = runtime.disk.makeFolder(folder).then(() => runtime.disk.syncFolder('/'));
    const fenced = nodeFencing<SimulatedRequest, SimulatedResponse>(
      { gate, resource, onError: (error) => this.#parts.reports.elections.fail(error) },
      (request, response) => this.#effect(process, request, response),
    );
    this.#handle = (request, response) => {
      if (request.url.endsWith('/read')) response.end(JSON.stringify(this.#entries));
      else
        made
          .then(() => fenced(request, response))
          .catch((error: unknown) => this.#parts.reports.elections.fail(error));
    };
    return process;
  }

  async #effect(process: Process, { headers }: SimulatedRequest, response: SimulatedResponse): Promise<void> {
    const { random, reports } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    process.runtime.timers.after(random.between(0, random.chance(0.2) ? 800 : 20), resolve);
    await promise;
    const entry = headers['x-entry'] ?? '';
    if (entry !== '' && !this.#entries.includes(entry)) {
      this.#entries.push(entry);
      reports.guardedChanged(resource, [...this.#entries]);
    }
    response.end();
  }
}

class GuardedService implements Guarded {
  readonly #fetch: typeof globalThis.fetch;
  readonly #random: Draw;
  readonly #read: () => Promise<Answer>;

  constructor(fetch: typeof globalThis.fetch, random: Draw, read: () => Promise<Answer>) {
    this.#fetch = fetch;
    this.#random = random;
    this.#read = read;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    await this.#send(writer, entry, signal);
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#send(writer, '', signal);
  }

  async read(): Promise<readonly string[]> {
    return JSON.parse((await readDirectly(this.#read())).body);
  }

  async #send(writer: FencedLeadership, entry: string, signal: AbortSignal): Promise<void> {
    const method = this.#random.pick(['POST', 'PUT']);
    const headers = { 'x-entry': entry };
    const request = fencedFetch(writer, { fetch: this.#fetch });
    const { status } = await request('http://service/append', { method, headers, signal });
    if (status !== 200)
      throw new ConclaveError('unavailable', `The service answered ${status}.`, { outcome: 'unknown' });
  }
}
