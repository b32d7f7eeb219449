import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Session } from '../../src/election/index.ts';
import { type OnceContext, once } from '../../src/fencing/once/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { TestCluster } from '../integration/cluster.ts';
import { Payments } from './once-payments.ts';

interface Told {
  readonly paid?: {
    readonly charge: number;
    readonly by: number;
    readonly attempt: number;
    readonly takenOver: boolean;
  };
  readonly error?: unknown;
}

const patience = { timeout: 300_000 };

describe('once, with processes of their own and a cluster of three', () => {
  let cluster: TestCluster;
  const started = new Set<ChildProcess>();

  before(async () => {
    cluster = await TestCluster.start(3);
  }, patience);
  after(async () => {
    for (const child of started) child.kill('SIGKILL');
    await cluster?.[Symbol.asyncDispose]();
  });

  /** `told`: what it wrote; nothing where it was killed. */
  function pay(
    payments: Payments,
    order: string,
  ): { readonly child: ChildProcess; readonly told: Promise<Told | undefined> } {
    const worker = join(import.meta.dirname, 'once-worker.ts');
    const endpoints = cluster.members.map(({ clientUrl }) => clientUrl).join(',');
    const child = spawn(process.execPath, [worker, endpoints, payments.url, order], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.add(child);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const told = new Promise<Told | undefined>((resolve) => {
      child.on('close', () => {
        started.delete(child);
        resolve(output === '' ? undefined : (JSON.parse(output) as Told));
      });
    });
    return { child, told };
  }

  test(
    'killed between the charge and the record: others take over, one charge, one result',
    patience,
    async () => {
      await using payments = await Payments.start();
      payments.holdAnswers();
      const first = pay(payments, 'order-1');
      await payments.requested(1);
      first.child.kill('SIGKILL');
      assert.equal(await first.told, undefined);
      payments.answerNewOnes();
      const others = await Promise.all([1, 2, 3].map(() => pay(payments, 'order-1').told));
      const [one] = others as [Told];
      assert.deepEqual(others, [one, one, one]);
      assert.deepEqual([one.paid?.charge, one.paid?.takenOver], [1, true]);
      // A slow machine may cost a new owner its lease, too.
      assert((one.paid?.attempt ?? 0) >= 2);
      const requests = payments.requests.length;
      assert(requests >= 2);
      assert.deepEqual([...payments.charges], [['order-1', 1]]);
      assert.deepEqual(await pay(payments, 'order-1').told, one);
      assert.equal(payments.requests.length, requests);
    },
  );

  test('paused past its lease: it gets what the new owner recorded', patience, async () => {
    await using payments = await Payments.start();
    const release = payments.holdAnswers();
    const first = pay(payments, 'order-2');
    await payments.requested(1);
    first.child.kill('SIGSTOP');
    payments.answerNewOnes();
    const second = await pay(payments, 'order-2').told;
    assert.equal(second?.paid?.takenOver, true, JSON.stringify(second));
    release();
    first.child.kill('SIGCONT');
    assert.deepEqual(await first.told, second);
    assert.equal(payments.charges.size, 1);
  });

  test(
    'while processes are killed, and the Raft leader too, each order is charged once',
    patience,
    async () => {
      await using payments = await Payments.start();
      const orders = ['order-3', 'order-4', 'order-5'];
      payments.holdAnswers();
      const killed = orders.map((order) => pay(payments, order));
      const waiting = orders.map((order) => pay(payments, order));
      await payments.requested(orders.length);
      payments.answerNewOnes();
      const leader = await cluster.leader();
      await cluster.end(leader, 'SIGKILL');
      // Which of the two pays for an order is not known: those that come last find out.
      for (const { child } of killed) child.kill('SIGKILL');
      await Promise.all(killed.map(({ told }) => told));
      const last = orders.map((order) => pay(payments, order));
      for (const { child } of waiting) child.kill('SIGKILL');
      await Promise.all(waiting.map(({ told }) => told));
      const results = await Promise.all(last.map(({ told }) => told));
      for (const result of results) assert(result?.paid !== undefined, JSON.stringify(result));
      assert.deepEqual([...payments.charges.keys()].sort(), orders);
      cluster.run(leader);
      await using store = conclaveStore({ endpoints: cluster.members.map(({ clientUrl }) => clientUrl) });
      const again = await Promise.all(orders.map((order) => pay(payments, order).told));
      assert.deepEqual(again, results);
      for (const order of orders) assert.equal((await store.read(`once/${order}`)).leader, undefined);
    },
  );

  test('many callers, on sessions shared and not, run each operation once', patience, async () => {
    const endpoints = cluster.members.map(({ clientUrl }) => clientUrl);
    await using one = conclaveStore({ endpoints });
    await using other = conclaveStore({ endpoints });
    await using first = new Session(one, { ttlMs: 10_000 });
    await using second = new Session(other, { ttlMs: 10_000 });
    const runs = new Map<string, number>();
    const ids = Array.from({ length: 40 }, (_, place) => `mail ${place}`);
    const run = async ({ operationId, token }: OnceContext) => {
      runs.set(operationId, (runs.get(operationId) ?? 0) + 1);
      await sleep(5);
      return { operationId, token };
    };
    const results = await Promise.all(
      ids.map((id) =>
        Promise.all([
          once(one, id, run, { session: first }),
          once(other, id, run, { session: second }),
          once(one, id, run, { session: first }),
          once(other, id, run, { ttlMs: 10_000 }),
        ]),
      ),
    );
    for (const [place, id] of ids.entries()) {
      const [told, ...others] = results[place] ?? [];
      assert.equal(told?.operationId, id);
      assert.deepEqual(others, [told, told, told]);
      assert.equal(runs.get(id), 1, id);
    }
    // What those left that found the outcome in the queue is cleaned up behind them.
    for (const id of ids) {
      for (;;) {
        const { leader, waiting } = await one.read(`once/${id}`);
        if (leader === undefined && waiting.length === 0) break;
        await sleep(20);
      }
    }
  });
});
