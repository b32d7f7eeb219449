/** A process that takes partitions, told by arguments: endpoints, name, holder, count. Ends when its input does. */
import { Partitions } from '../../src/partitions/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { untilAborted } from '../until-aborted.ts';

const [endpoints = '', name = '', holder = '', count = ''] = process.argv.slice(2);
await using store = conclaveStore({ endpoints: endpoints.split(',') });
await using partitions = new Partitions(store, name, {
  count: Number(count),
  holder,
  metadata: `pid ${process.pid}`,
  // Nothing waits for it to run out; on a machine that stalls it must not.
  ttlMs: 20_000,
  releaseOnDisconnect: true,
  onAssigned: untilAborted,
});
await partitions.ready();
process.stdout.write('ready\n');
for await (const _ of process.stdin) {
  // Only its end matters.
}
