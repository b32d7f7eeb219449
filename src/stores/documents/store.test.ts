import { describe, test } from 'node:test';
import { conformanceTests, losingAnswers } from '../../conformance/index.ts';
import { nodeRuntime, type Runtime } from '../../runtime/index.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

for (const ownsClock of [true, false])
  for (const tells of [true, false])
    for (const many of [true, false]) {
      // With half of those that are told of changes.
      const tellsLed = tells && many === ownsClock;
      const title = [
        ownsClock ? 'with the clock of the service' : 'with clocks of those who wait',
        tellsLed ? 'told of changes and of who leads' : tells ? 'told of changes' : 'polled',
        many ? 'many documents read at once' : 'one by one',
      ].join(', ');
      describe(`A store of documents conforms ${title}`, { concurrency: 8 }, () => {
        const runtime = nodeRuntime();
        const open = async () => {
          const service = new MemoryService({ runtime, ownsClock, tells, many, tellsLed });
          const { store, loseNextAnswer } = losingAnswers(documentStore(service.driver(), { pollMs: 50 }));
          return {
            store,
            another: async () => documentStore(service.driver(), { pollMs: 50 }),
            anotherOn: async (host: Runtime) =>
              documentStore(service.driver(), { pollMs: 50, runtime: host }),
            driver: () => service.driver(),
            loseNextAnswer,
            deleteRecords: async (name: string) => service.wipe({ kind: 'election', name }),
            stopService: async () => {
              service.down = true;
            },
            startService: async () => {
              service.down = false;
            },
            requests: () => service.requests,
            [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
          };
        };
        for (const { name, run } of conformanceTests(open, { patienceMs: 60_000 })) {
          test(name, async (context) => {
            const { skipped } = await run();
            if (skipped !== undefined) context.skip(skipped);
          });
        }
      });
    }
