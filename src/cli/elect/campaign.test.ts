import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Leadership, LeaseStore } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type Campaign, campaign } from './campaign.ts';

const state = { version: 1, waiting: [], record: undefined };
const ada = { holder: 'ada', token: 7, metadata: '' };
const options = { name: 'x', timeoutMs: 50, disconnectGraceMs: undefined };
const interrupted = new AbortController().signal;

/** It waits for as long as it may. */
const waiting: Campaign['candidate'] = {
  campaign: ({ signal } = {}) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(ConclaveError.aborted('The campaign', signal)));
    }),
};

test('who leads is asked while there is time', async () => {
  const store = { read: async () => ({ ...state, leader: ada }) };
  assert.deepEqual(await campaign({ candidate: waiting, store, options, interrupted }), {
    notElected: { leader: ada },
  });
});

test('a store that did not answer in time is told of with what it said before', async () => {
  const down = new ConclaveError('unavailable', 'It is down.', { retryable: true });
  let reads = 0;
  const store: Pick<LeaseStore, 'read'> = {
    read: async (_, { timeoutMs = 0 } = {}) => {
      reads += 1;
      if (reads === 1) throw down;
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      throw new ConclaveError('timeout', 'Nothing was heard.', { retryable: true });
    },
  };
  const longer = { ...options, timeoutMs: 600 };
  assert.deepEqual(await campaign({ candidate: waiting, store, options: longer, interrupted }), {
    notElected: { failure: down },
  });
});

test('without a time nobody is asked, and who wins asks nobody any more', async () => {
  const store = { read: () => assert.fail('it asks') };
  const leadership = {} as Leadership;
  const winning = { campaign: async () => leadership };
  for (const timeoutMs of [undefined, 60_000]) {
    const given = { candidate: winning, store, options: { ...options, timeoutMs }, interrupted };
    assert.deepEqual(await campaign(given), { leadership });
  }
});
