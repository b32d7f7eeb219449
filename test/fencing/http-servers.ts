// A resource behind HTTP, on each of the frameworks: POST /jobs/<resource> appends its body, once it is let in.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { serve } from '@hono/node-server';
import express from 'express';
import fastify, { type FastifyRequest } from 'fastify';
import { type Context, Hono } from 'hono';
import {
  expressFencing,
  fastifyFencing,
  fencingOf,
  honoFencing,
  nodeFencing,
  type RequestFencing,
  unfenced,
} from '../../src/fencing/http/index.ts';
import type { TokenGate } from '../../src/fencing/index.ts';

/** What the route does with the body; what it returns is the answer. */
export type Effect = (value: string, fencing: RequestFencing | undefined) => Promise<string>;

export interface ServerOptions {
  readonly gate: TokenGate;
  readonly effect: Effect;
  readonly missingToken?: 'refuse' | 'pass';
  /** Default: the route's resource, and what is no route is unfenced. */
  readonly resource?: () => string;
}

export interface RunningServer extends AsyncDisposable {
  readonly url: string;
}

export type Framework = 'node:http' | 'Express' | 'Fastify' | 'Hono';

const resourceIn = (url: string) => /^\/jobs\/([^/?]+)$/.exec(url)?.[1] ?? unfenced;

export const frameworks: Readonly<Record<Framework, (options: ServerOptions) => Promise<RunningServer>>> = {
  'node:http': async ({ effect, ...options }) => {
    const resource = (request: IncomingMessage) => resourceIn(request.url ?? '');
    const listener = nodeFencing({ resource, ...options }, async (request: IncomingMessage, response) => {
      response.end(await effect(await text(request), fencingOf(request)));
    });
    return await listening(createServer(listener).listen(0, '127.0.0.1'));
  },
  Express: async ({ effect, ...options }) => {
    const app = express();
    const resource = (request: express.Request) => resourceIn(request.path);
    app.use(expressFencing({ resource, ...options }));
    app.use(express.text());
    app.post('/jobs/:name', async (request, response) => {
      response.send(await effect(String(request.body), fencingOf(request)));
    });
    return await listening(app.listen(0, '127.0.0.1'));
  },
  Fastify: async ({ effect, ...options }) => {
    const app = fastify();
    const resource = (request: FastifyRequest) => resourceIn(request.url);
    app.addHook('preHandler', fastifyFencing({ resource, ...options }));
    app.post('/jobs/*', async (request) => await effect(String(request.body), fencingOf(request.raw)));
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    return {
      url,
      [Symbol.asyncDispose]: async () => {
        app.server.closeAllConnections();
        await app.close();
      },
    };
  },
  Hono: async ({ effect, ...options }) => {
    const app = new Hono();
    app.use(honoFencing({ resource: (context: Context) => resourceIn(context.req.path), ...options }));
    app.post('/jobs/:name', async (context) =>
      context.text(await effect(await context.req.text(), fencingOf(context.req.raw))),
    );
    return await listening(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
  },
};

async function listening(server: Server): Promise<RunningServer> {
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
