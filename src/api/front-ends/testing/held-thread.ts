// A front end for tests, which listens, or fails, when it is told to.
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { nodeRuntime } from '../../../runtime/index.ts';
import { ownThread } from '../../../runtime/threads.ts';
import { FrontEndThread } from '../front-end-thread.ts';
import type { AskMessage } from '../messages.ts';
import { listeningChannel, type ToListening } from './listening-channel.ts';

const own = ownThread();
const channel = new BroadcastChannel(listeningChannel);
let listen = (): void => {};
channel.onmessage = (event) => {
  const { thread, does } = (event as { data: ToListening }).data;
  if (thread !== threadId) return;
  if (does === 'fail') throw new Error('a failure that a test has planted');
  listen();
};
const onMessage = (listener: (message: unknown) => void): void =>
  own.onMessage((message) => {
    if (message instanceof ArrayBuffer || (message as AskMessage).ask.kind !== 'listen') {
      listener(message);
      return;
    }
    listen = () => listener(message);
    channel.postMessage(threadId);
  });

new FrontEndThread({ ...own, onMessage }, nodeRuntime());
