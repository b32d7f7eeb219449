import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { Openings } from './openings.ts';

function stage() {
  const runtime = manualRuntime();
  const openings = new Openings(runtime);
  const opening = Promise.withResolvers<string>();
  const giving = new AbortController();
  const ended: string[] = [];
  const run = (answers = true) =>
    openings.run('Opening', giving.signal, () => opening.promise, {
      answers: () => answers,
      end: async (opened) => ended.push(opened),
    });
  return { runtime, openings, opening, giving, ended, run };
}

test('what is opened in time goes to the caller', async () => {
  const { openings, opening, giving, ended, run } = stage();
  const running = run();
  opening.resolve('a');
  assert.equal(await running, 'a');
  giving.abort();
  await openings.settled();
  assert.deepEqual(ended, []);
});

test('what is opened after its caller gave up is ended, and closing waits for that', async () => {
  const { openings, opening, giving, ended, run } = stage();
  const running = run();
  giving.abort();
  await assert.rejects(running, { code: 'aborted', outcome: 'unknown' });
  const settled = openings.settled();
  opening.resolve('a');
  await settled;
  assert.deepEqual(ended, ['a']);
  await assert.rejects(run(), { code: 'aborted' });
});

test('closing waits not for ever, and not at all for a service that never answered', async () => {
  const patient = stage();
  const running = patient.run();
  patient.giving.abort();
  await assert.rejects(running, { code: 'aborted' });
  const settled = patient.openings.settled();
  await patient.runtime.advance(1000);
  await settled;
  const silent = stage();
  const unheard = silent.run(false);
  silent.giving.abort();
  await assert.rejects(unheard, { code: 'aborted' });
  await silent.openings.settled();
});
