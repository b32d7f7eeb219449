import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { GivenUpSessions } from './given-up-sessions.ts';

function stage() {
  const runtime = manualRuntime();
  const givenUp = new GivenUpSessions(runtime);
  const opening = Promise.withResolvers<string>();
  const giving = new AbortController();
  const ended: string[] = [];
  const run = (answers = true) =>
    givenUp.run('Opening', giving.signal, () => opening.promise, {
      answers: () => answers,
      end: async (opened) => ended.push(opened),
    });
  return { runtime, givenUp, opening, giving, ended, run };
}

test('what is opened in time goes to the caller', async () => {
  const { givenUp, opening, giving, ended, run } = stage();
  const running = run();
  opening.resolve('a');
  assert.equal(await running, 'a');
  giving.abort();
  await givenUp.settled();
  assert.deepEqual(ended, []);
});

test('what is opened after its caller gave up is ended, and closing waits for that', async () => {
  const { givenUp, opening, giving, ended, run } = stage();
  const running = run();
  giving.abort();
  await assert.rejects(running, { code: 'aborted', outcome: 'unknown' });
  const settled = givenUp.settled();
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
  const settled = patient.givenUp.settled();
  await patient.runtime.advance(1000);
  await settled;
  const silent = stage();
  const unheard = silent.run(false);
  silent.giving.abort();
  await assert.rejects(unheard, { code: 'aborted' });
  await silent.givenUp.settled();
});
