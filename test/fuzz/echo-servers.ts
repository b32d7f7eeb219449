import * as net from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { Http2Server } from '../../src/api/http2/server.ts';
import { methodsFor, Seen } from '../../src/api/http2/testing.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';

/** The same methods, served by grpc-js and by our own front end. */

export interface EchoServer {
  readonly port: number;
  readonly close: () => void;
}

const asIs = (bytes: Buffer): Buffer => bytes;
const describe = (name: string, requestStream: boolean, responseStream: boolean) => ({
  ...{ path: `/t/${name}`, requestStream, responseStream },
  ...{ requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs },
});
/** 'None' is served by neither, and 'Wait' never ends by itself. */
export const echoService = {
  Echo: describe('Echo', false, false),
  Fail: describe('Fail', false, false),
  None: describe('None', false, false),
  Wait: describe('Wait', false, false),
  Many: describe('Many', false, true),
  EchoAll: describe('EchoAll', true, true),
};
export const largestMessage = 1 << 20;

export async function servedByGrpcJs(): Promise<EchoServer> {
  const server = new Server({ 'grpc.max_receive_message_length': largestMessage });
  const { None: _none, ...offered } = echoService;
  server.addService(offered, {
    Echo: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) =>
      callback(null, call.request),
    Fail: (_call: unknown, callback: (error: object) => void) =>
      callback({ code: 2, details: 'it is 100 % broken: ü' }),
    Wait: () => {},
    Many: (call: { request: Buffer; write: (message: Buffer) => void; end: () => void }) => {
      const [count = 0, high = 0, low = 0] = call.request;
      for (let sent = 0; sent < count; sent++) call.write(Buffer.alloc(high * 256 + low, sent));
      call.end();
    },
    EchoAll: (call: NodeJS.ReadWriteStream) => {
      call.on('data', (message) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, close: () => server.forceShutdown() };
}

export async function servedByUs(): Promise<EchoServer> {
  const { clock, timers } = nodeRuntime();
  const http2 = new Http2Server(methodsFor(new Seen()), {
    ...{ clock, timers, maxMessageBytes: largestMessage },
    limits: { keepAliveMinTimeMs: 0 },
    causes: {
      cancelled: () => new Error('cancelled'),
      deadlineExceeded: () => new Error('Deadline exceeded'),
      stopped: () => new Error('stopped'),
      tooLarge: (size) => new Error(`Received message larger than max (${size} vs ${largestMessage})`),
    },
    failed: (_path, error) => {
      const { message } = error as Error;
      const code = message.startsWith('Received message') ? 8 : message === 'Deadline exceeded' ? 4 : 2;
      return { code, message };
    },
  });
  const listener = net.createServer((socket) => http2.accept(socket, 'test'));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const close = () => {
    listener.close();
    void http2.close(0);
  };
  return { port: (listener.address() as net.AddressInfo).port, close };
}
