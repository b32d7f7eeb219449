// The script of a thread that tells of a call on a connection that there is not. For tests alone.
import { ownThread } from '../../../runtime/threads.ts';
import { BatchWriter } from '../batch.ts';
import { toCore } from '../records.ts';

const thread = ownThread();
thread.onMessage(() => {
  const writer = new BatchWriter({
    send: (batch) => thread.post(batch, [batch]),
    later: () => {},
    nowMs: () => 0,
  });
  writer.begin(toCore.call, 13);
  for (const number of [1, 77, 0]) writer.whole(number);
  writer.byte(0);
  writer.flush();
});
