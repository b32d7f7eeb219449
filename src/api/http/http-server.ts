import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Timer, Timers } from '../../runtime/types.ts';
import type { CallConnection, Logger, Registry } from '../types.ts';
import type { CheckedLimits } from '../validate.ts';
import { Wakeup } from '../wakeup.ts';
import { Gateway } from './gateway.ts';
import { type Pages, plainText } from './pages.ts';

export interface HttpServerOptions {
  readonly registry: Registry;
  readonly pages: Pages;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: CheckedLimits;
  /** Origins of web pages that may call; '*' for all. Default: none. */
  readonly corsOrigins?: readonly string[];
}

/** Head and body of a request, and the wait for the next one on a connection: each has this long. */
const requestWithinMs = 30_000;
const longestHeadBytes = 16 * 1024;
/** Requests that a connection sends ahead of their answers. Clients that are in use send none. */
const maxPipelined = 16;

/** HTTP/1.1 on the client port: the JSON gateway, version, health and metrics. */
export class HttpServer {
  readonly #server: Server;
  readonly #gateway: Gateway;
  readonly #options: HttpServerOptions;
  readonly #connections = new Map<
    Duplex,
    { readonly connection: CallConnection; idle: Timer | undefined; open: number }
  >();
  readonly #answering = new Set<ServerResponse>();
  readonly #answered = new Wakeup();
  #closing = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#gateway = new Gateway(options.registry, options.logger, options.limits, options.timers);
    this.#server = createServer(
      { maxHeaderSize: longestHeadBytes, keepAliveTimeout: 0 },
      (request, response) => {
        this.#request(request, response);
      },
    );
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Takes over the socket, with what was read from it put back. */
  accept(socket: Duplex, connection: CallConnection): void {
    this.#connections.set(socket, { connection, idle: undefined, open: 0 });
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#connections.get(socket)?.idle?.cancel();
      this.#connections.delete(socket);
    });
    this.#expectRequest(socket);
    this.#server.emit('connection', socket);
  }

  /** Ends streams with 'server stopped', lets other requests finish for up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#gateway.close();
    const timer = this.#options.timers.after(graceMs, () => {
      this.#answering.clear();
      this.#answered.notify();
    });
    while (this.#answering.size > 0) await this.#answered.wait();
    timer.cancel();
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** A connection on which no whole request arrives in time is closed, however slowly its bytes come. */
  #expectRequest(socket: Duplex): void {
    const entry = this.#connections.get(socket);
    if (entry === undefined) return;
    entry.idle?.cancel();
    entry.idle = this.#options.timers.after(requestWithinMs, () => socket.destroy(), { background: true });
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const entry = this.#connections.get(socket);
    if (entry === undefined) {
      socket.destroy();
      return;
    }
    entry.open += 1;
    if (entry.open > maxPipelined) {
      socket.destroy();
      return;
    }
    // The body has its time anew; then the answer may take as long as it needs.
    this.#expectRequest(socket);
    request.once('end', () => entry.idle?.cancel());
    this.#answering.add(response);
    response.once('close', () => {
      this.#answering.delete(response);
      entry.open -= 1;
      this.#answered.notify();
      if (!socket.destroyed && entry.open === 0) this.#expectRequest(socket);
    });
    if (this.#closing) response.setHeader('Connection', 'close');
    this.#route(request, response, entry.connection).catch((error: unknown) => {
      this.#options.logger.error({ path: request.url, error: String(error) }, 'an HTTP request failed');
      response.destroy();
    });
  }

  async #route(
    request: IncomingMessage,
    response: ServerResponse,
    connection: CallConnection,
  ): Promise<void> {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    if (!this.#allowsOrigin(request, response)) return;
    if (this.#gateway.has(path)) {
      if (request.method === 'POST') return this.#gateway.handle(path, request, response, connection);
      return answer(request, response, 405, 'Method Not Allowed\n');
    }
    const page = this.#options.pages.get(path);
    if (page === undefined) {
      const gateway = /^\/v3(beta)?\//.test(path);
      return answer(request, response, 404, gateway ? 'Not Found\n' : '404 page not found\n');
    }
    if (request.method !== 'GET') {
      response.setHeader('Allow', 'GET');
      return answer(request, response, 405, 'Method Not Allowed\n');
    }
    const { status, type, text } = await page(query);
    answer(request, response, status, text, type);
  }

  /**
   * Browsers name the page that asks. Without this any page that somebody looks at could write to a member on their own
   * machine or network.
   */
  #allowsOrigin(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin } = request.headers;
    if (origin === undefined) return true;
    const allowed = this.#options.corsOrigins ?? [];
    if (!allowed.includes('*') && !allowed.includes(origin)) {
      answer(
        request,
        response,
        403,
        `The origin ${origin.slice(0, 200)} may not call this server: see --cors.\n`,
      );
      return false;
    }
    response.setHeader('Access-Control-Allow-Origin', allowed.includes('*') ? '*' : origin);
    response.setHeader('Access-Control-Allow-Methods', 'POST, GET, OPTIONS, PUT, DELETE');
    response.setHeader('Access-Control-Allow-Headers', 'accept, content-type, authorization');
    if (request.method !== 'OPTIONS') return true;
    answer(request, response, 200, '');
    return false;
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  type: string = plainText,
): void {
  // What is left of the body has nobody to read it.
  request.resume();
  const headers = { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff' };
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}
