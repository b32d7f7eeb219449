// What the guard of every database server must do, by every driver; on a real server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FencedLeadership } from '../../src/fencing/index.ts';
import type {
  FenceSql,
  FenceTableOptions,
  ServerFenceOptions,
  TransactionFenceOptions,
} from '../../src/fencing/sql/postgres.ts';
import { leader, offered } from './sql-leaders.ts';
import { startCommitProxy } from './sql-proxy.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A driver and the guard for it. `Db` is a pool. */
export interface SqlSubject<Db extends object, Tx extends object> {
  readonly name: string;
  endpoint(): Endpoint;
  /** A pool of a few connections, whose idle ones do not end the process. */
  open(at: Endpoint): Db;
  close(db: Db): Promise<void>;
  run(tx: Tx, text: string): Promise<unknown>;
  /** Rows as objects; outside of any transaction of the test. */
  rows(on: Db | Tx, text: string): Promise<readonly Record<string, unknown>[]>;
  /** The text that gives the connection's id as `id`, and the one that ends that connection. */
  readonly connectionId: string;
  kill(id: string): string;
  /** Statements of an open transaction by hand, for `takeFence`. */
  inTransaction(db: Db, work: (tx: Tx) => Promise<void>): Promise<void>;
  outsideTransaction(db: Db, work: (tx: Tx) => Promise<void>): Promise<void>;
  fenced<T>(
    db: Db,
    leadership: FencedLeadership,
    work: (tx: Tx) => T | Promise<T>,
    options?: ServerFenceOptions,
  ): Promise<T>;
  takeFence(tx: Tx, leadership: FencedLeadership, options?: TransactionFenceOptions): Promise<void>;
  migrate(db: Db, options?: FenceTableOptions): Promise<void>;
  fenceSql(table?: string): FenceSql;
}

let unique = 0;

export function testSqlGuard<Db extends object, Tx extends object>(subject: SqlSubject<Db, Tx>): void {
  const { name, fenced, run, rows } = subject;
  const options = { timeout: 60_000 };
  const inFresh = (what: string, body: (db: Db, list: string) => Promise<void>, open = subject.endpoint) =>
    test(what, options, async () => {
      const db = subject.open(open());
      try {
        unique += 1;
        await body(db, `list ${name} ${unique}`);
      } finally {
        await subject.close(db);
      }
    });
  const append = (tx: Tx, list: string, value: string) =>
    run(tx, `INSERT INTO journal (list, value) VALUES ('${list}', '${value}')`);
  const valuesOf = async (on: Db | Tx, list: string) =>
    (await rows(on, `SELECT value FROM journal WHERE list = '${list}' ORDER BY id`)).map(({ value }) =>
      String(value),
    );
  const idOf = async (tx: Tx) => String((await rows(tx, subject.connectionId))[0]?.id);

  testTwoLeaders(name, async (): Promise<GuardedResource> => {
    const db = subject.open(subject.endpoint());
    unique += 1;
    const resource = `list ${name} ${unique}`;
    return {
      async append(leadership, value, step) {
        await step();
        await fenced(
          db,
          leadership,
          async (tx) => {
            await step();
            await append(tx, resource, value);
            await step();
          },
          { resource },
        );
        await step();
      },
      values: () => valuesOf(db, resource),
      [Symbol.asyncDispose]: () => subject.close(db),
    };
  });

  describe(name, () => {
    inFresh('resolves to what the work returned; work that throws changes nothing', async (db, list) => {
      const resource = list;
      assert.equal(
        await fenced(db, leader(5), async (tx) => append(tx, list, 'one').then(() => 7), { resource }),
        7,
      );
      const thrown = new Error('of the work');
      const throwing = fenced(
        db,
        leader(9),
        async (tx) => {
          await append(tx, list, 'two');
          throw thrown;
        },
        { resource },
      );
      await assert.rejects(throwing, (error) => error === thrown);
      assert.deepEqual(await valuesOf(db, list), ['one']);
      for (const code of ['ENOENT', 'ECONNRESET']) {
        const besides = Object.assign(new Error('of a file or another server'), { code });
        const failing = fenced(db, leader(9), () => Promise.reject(besides), { resource, attempts: 3 });
        await assert.rejects(failing, (error) => error === besides);
      }
      await fenced(db, leader(6), () => {}, { resource });
      const stale = fenced(db, leader(5), () => assert.fail('must not run'), { resource });
      await assert.rejects(stale, offered('stale-token', false));
      const foreign = fenced(db, leader(60, 'other'), () => assert.fail('must not run'), { resource });
      await assert.rejects(foreign, offered('failed-precondition', false));
    });

    for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const) {
      inFresh(
        `at ${isolation} the first uses of a resource race, and each sees what the others committed`,
        async (db, list) => {
          const add = () =>
            fenced(
              db,
              leader(5),
              async (tx) => {
                const [row] = await rows(
                  tx,
                  `SELECT max(CAST(value AS DECIMAL)) AS most FROM journal WHERE list = '${list}'`,
                );
                await append(tx, list, String(Number(row?.most ?? 0) + 1));
              },
              { resource: list, isolation, attempts: 50 },
            );
          await Promise.all(Array.from({ length: 6 }, add));
          assert.deepEqual(await valuesOf(db, list), ['1', '2', '3', '4', '5', '6']);
        },
      );
    }

    inFresh(
      'a newer leader waits for the older one that is inside, and then sees its work',
      async (db, list) => {
        const [inside, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const older = fenced(
          db,
          leader(5),
          async (tx) => {
            inside.resolve();
            await gate.promise;
            await append(tx, list, 'older');
          },
          { resource: list },
        );
        await inside.promise;
        const impatient = fenced(db, leader(6), () => assert.fail('must not run'), {
          resource: list,
          lockTimeoutMs: 50,
        });
        await assert.rejects(impatient, offered('timeout', true));
        const controller = new AbortController();
        const { signal } = controller;
        const aborted = fenced(db, leader(6), () => assert.fail('must not run'), { resource: list, signal });
        setTimeout(() => controller.abort(new Error('enough')), 100);
        await assert.rejects(aborted, offered('aborted', false));
        const newer = fenced(db, leader(6), (tx) => valuesOf(tx, list), { resource: list });
        gate.resolve();
        await older;
        assert.deepEqual(await newer, ['older']);
      },
    );

    inFresh(
      'a leader that stays idle inside is ended by the server, and the newer one gets on',
      async (db, list) => {
        const [inside, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const paused = fenced(
          db,
          leader(5),
          async (tx) => {
            await append(tx, list, 'older');
            inside.resolve();
            await gate.promise;
            await append(tx, list, 'older, late');
          },
          { resource: list, idleTimeoutMs: 1000 },
        );
        const ended = assert.rejects(paused, offered('unavailable', true));
        // A process that stalls between its statements may be ended even before it is inside.
        await Promise.race([inside.promise, ended]);
        await fenced(db, leader(6), (tx) => append(tx, list, 'newer'), { resource: list });
        gate.resolve();
        await ended;
        assert.deepEqual(await valuesOf(db, list), ['newer']);
      },
    );

    inFresh(
      'a connection that breaks in the middle leaves nothing behind, and the pool goes on',
      async (db, list) => {
        let runs = 0;
        const breaking = async (tx: Tx) => {
          runs += 1;
          await append(tx, list, `run ${runs}`);
          if (runs <= 2) await rows(db, subject.kill(await idOf(tx)));
          await append(tx, list, `run ${runs}, later`);
        };
        await assert.rejects(
          fenced(db, leader(5), breaking, { resource: list }),
          offered('unavailable', true),
        );
        assert.deepEqual(await valuesOf(db, list), []);
        await fenced(db, leader(5), breaking, { resource: list, attempts: 2 });
        assert.deepEqual([runs, await valuesOf(db, list)], [3, ['run 3', 'run 3, later']]);
      },
    );

    inFresh(
      'a commit whose answer is lost is looked up: it took effect once, or not at all',
      async (_, list) => {
        await using proxy = await startCommitProxy(subject.endpoint());
        const db = subject.open({ host: '127.0.0.1', port: proxy.port });
        let runs = 0;
        const work = async (tx: Tx) => {
          runs += 1;
          await append(tx, list, `run ${runs}`);
          return runs;
        };
        try {
          proxy.lose = 'answer';
          assert.equal(await fenced(db, leader(5), work, { resource: list, attempts: 9 }), 1);
          proxy.lose = 'request';
          await assert.rejects(fenced(db, leader(5), work, { resource: list }), offered('unavailable', true));
          proxy.lose = 'request';
          assert.equal(await fenced(db, leader(5), work, { resource: list, attempts: 2 }), 4);
          assert.deepEqual([proxy.lost, await valuesOf(db, list)], [3, ['run 1', 'run 4']]);
        } finally {
          await subject.close(db);
        }
      },
    );

    inFresh(
      'a deadlock is a retryable conflict, and is cured by another run where that is allowed',
      async (db, list) => {
        for (const value of ['a', 'b'])
          await rows(db, `INSERT INTO journal (list, value) VALUES ('${list}', '${value}')`);
        const touch = (tx: Tx, value: string) =>
          run(tx, `UPDATE journal SET touched = touched + 1 WHERE list = '${list}' AND value = '${value}'`);
        const cross = async (attempts: number) => {
          let arrived = 0;
          const both = Promise.withResolvers<void>();
          const one = (resource: string, first: string, second: string) =>
            fenced(
              db,
              leader(5),
              async (tx) => {
                await touch(tx, first);
                arrived += 1;
                if (arrived >= 2) both.resolve();
                await both.promise;
                await touch(tx, second);
              },
              { resource: `${list} ${resource}`, attempts, isolation: 'read committed' },
            );
          return await Promise.allSettled([one('1', 'a', 'b'), one('2', 'b', 'a')]);
        };
        const once = await cross(1);
        const refused = once.filter((result) => result.status === 'rejected');
        assert.equal(refused.length, 1);
        assert(offered('version-conflict', true)(refused[0]?.reason));
        const again = await cross(5);
        assert.deepEqual(
          again.map(({ status }) => status),
          ['fulfilled', 'fulfilled'],
        );
        const touched = await rows(db, `SELECT touched FROM journal WHERE list = '${list}'`);
        assert.deepEqual(
          touched.map((row) => Number(row.touched)),
          [3, 3],
        );
      },
    );

    inFresh('leading is looked at before the begin and before the commit', async (db, list) => {
      let looks = 0;
      const losing = (atLook: number): FencedLeadership => ({
        ...leader(5),
        assertHeld() {
          looks += 1;
          if (looks === atLook) throw new Error(`lost at look ${atLook}`);
        },
      });
      const first = fenced(db, losing(1), () => assert.fail('must not run'), { resource: list });
      await assert.rejects(first, /lost at look 1/);
      looks = 0;
      await assert.rejects(
        fenced(db, losing(2), (tx) => append(tx, list, 'x'), { resource: list }),
        /lost at look 2/,
      );
      assert.deepEqual(await valuesOf(db, list), []);
      const signal = AbortSignal.abort(new Error('enough'));
      await assert.rejects(
        fenced(db, leader(5), () => {}, { resource: list, signal }),
        offered('aborted', false),
      );
    });

    inFresh('tx ends with the transaction and cannot end it', async (db, list) => {
      let kept: Tx | undefined;
      await fenced(
        db,
        leader(5),
        async (tx) => {
          kept = tx;
          for (const text of ['COMMIT', ' -- x\n ROLLBACK', '/* x */ BEGIN', 'start transaction'])
            await assert.rejects(async () => run(tx, text), offered('failed-precondition', false));
          await run(tx, 'SAVEPOINT mine');
          await append(tx, list, 'undone');
          await run(tx, 'ROLLBACK TO SAVEPOINT mine');
          await append(tx, list, 'done');
        },
        { resource: list },
      );
      await assert.rejects(async () => append(kept as Tx, list, 'late'), offered('closed', false));
      assert.deepEqual(await valuesOf(db, list), ['done']);
    });

    inFresh('fenced inside of the work of the same resource does not wait for itself', async (db, list) => {
      await fenced(
        db,
        leader(5),
        async (tx) => {
          const inner = fenced(db, leader(5), () => assert.fail('must not run'), { resource: list });
          await assert.rejects(inner, offered('failed-precondition', false));
          await fenced(db, leader(5), () => {}, { resource: `${list} other` });
          await subject.takeFence(tx, leader(5), { resource: `${list} third` });
        },
        { resource: list },
      );
      const stale = fenced(db, leader(4), () => assert.fail('must not run'), { resource: `${list} third` });
      await assert.rejects(stale, offered('stale-token', false));
    });

    inFresh('takeFence guards a transaction of the caller, and needs one', async (db, list) => {
      await subject.inTransaction(db, async (tx) => {
        await subject.takeFence(tx, leader(5), { resource: list });
        await append(tx, list, 'by hand');
      });
      const stale = subject.inTransaction(db, async (tx) => {
        await append(tx, list, 'stale');
        await subject.takeFence(tx, leader(4), { resource: list });
      });
      await assert.rejects(stale, offered('stale-token', false));
      await subject.outsideTransaction(db, async (tx) => {
        const without = subject.takeFence(tx, leader(9), { resource: list });
        await assert.rejects(without, offered('failed-precondition', false));
      });
      await fenced(db, leader(5), () => {}, { resource: list });
      assert.deepEqual(await valuesOf(db, list), ['by hand']);
    });

    inFresh(
      'a fence table that is missing, of another version or no fence table is refused by name',
      async (db) => {
        unique += 1;
        const [table, other, newer] = [`fence_${unique}`, `other_${unique}`, `newer_${unique}`];
        const use = (of: string) => fenced(db, leader(5), () => assert.fail('must not run'), { table: of });
        await assert.rejects(use(table), { code: 'failed-precondition', message: /fence_.*migrate\(\)/ });
        await rows(db, `CREATE TABLE ${other} (resource int)`);
        await rows(db, subject.fenceSql(newer).createTable.replace('DEFAULT 1', 'DEFAULT 2'));
        for (const call of [() => use(other), () => subject.migrate(db, { table: other })])
          await assert.rejects(call, { code: 'data-incompatible' });
        for (const call of [() => use(newer), () => subject.migrate(db, { table: newer })])
          await assert.rejects(call, { code: 'data-incompatible', message: /version 2/ });
        await Promise.all(Array.from({ length: 4 }, () => subject.migrate(db, { table })));
        await subject.migrate(db, { table });
        assert.equal(await fenced(db, leader(5), () => 'works', { table }), 'works');
        assert.deepEqual((await rows(db, `SELECT resource FROM ${table}`)).length, 1);
      },
    );

    inFresh(
      'names are told apart exactly, and tokens as large as can be compare exactly',
      async (db, list) => {
        const most = Number.MAX_SAFE_INTEGER;
        for (const resource of [
          list,
          `${list} `,
          list.toUpperCase(),
          `${list} é’\\'";--`,
          `${list} ${'𝒥'.repeat(240)}`,
        ]) {
          await fenced(db, leader(most - 1), () => {}, { resource });
          await fenced(db, leader(most), () => {}, { resource });
          const stale = fenced(db, leader(most - 1), () => assert.fail('must not run'), { resource });
          await assert.rejects(stale, offered('stale-token', false));
        }
      },
    );

    inFresh('bad input is refused before the database is touched', async (db) => {
      const use = (more: object, by = leader(5)) => fenced(db, by, () => assert.fail('must not run'), more);
      const wrong = [
        { resource: '' },
        { resource: 'x'.repeat(1025) },
        { table: 'a"b' },
        { table: 'a`b' },
        { isolation: 'snapshot' },
        { attempts: 0 },
        { idleTimeoutMs: -1 },
        { lockTimeoutMs: 0.5 },
      ];
      for (const more of wrong) await assert.rejects(use(more), offered('invalid-argument', false));
      await assert.rejects(use({}, leader(-1)), offered('invalid-argument', false));
      await assert.rejects(
        use({}, { ...leader(5), tokenSurvivesDeletion: false }),
        offered('unsupported', false),
      );
      for (const database of [{}, undefined, () => {}])
        await assert.rejects(
          fenced(database as Db, leader(5), () => {}),
          offered('invalid-argument', false),
        );
    });

    inFresh(
      'a database that cannot be reached is unavailable',
      async (db) => {
        await assert.rejects(
          fenced(db, leader(5), () => {}),
          offered('unavailable', true),
        );
      },
      () => ({ host: '127.0.0.1', port: 1 }),
    );
  });
}
