// A front end for tests, which fails when it is to answer with certain words.
import '../thread.ts';
import { ownThread } from '../../../runtime/threads.ts';

ownThread().onMessage((message) => {
  if (message instanceof ArrayBuffer && Buffer.from(message).includes('planted failure')) {
    throw new Error('a failure that a test has planted');
  }
});
