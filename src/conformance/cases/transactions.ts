/** Transactions on the store's own keys under a token. */
import assert from 'node:assert/strict';
import type { StoreCapabilities, StoreSession, StoreTransaction } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';

const cannot = ({ transactions }: StoreCapabilities) =>
  transactions ? undefined : 'the store offers no transactions';

function transact(stage: Stage, session: StoreSession, token: number, transaction: StoreTransaction) {
  assert(session.transact, 'a store with transactions offers transact');
  return stage.within(session.transact(stage.name, token, transaction), 'a transaction');
}

function asking(...compare: NonNullable<StoreTransaction['compare']>): StoreTransaction {
  return { compare, success: [], failure: [] };
}

const bytes = (...values: number[]) => Uint8Array.from(values);

async function leadingOne(stage: Stage) {
  const session = await stage.open('first', { client: 'two' });
  const token = await stage.win(session);
  const key = `${stage.name}/key`;
  return {
    session,
    token,
    key,
    run: (transaction: StoreTransaction) => transact(stage, session, token, transaction),
  };
}

export const transactionCases: readonly ConformanceCase[] = [
  {
    name: 'a transaction under the current token writes, reads and deletes in the order given',
    skip: cannot,
    async run(stage) {
      const { key, run } = await leadingOne(stage);
      const written = await run({
        success: [
          { type: 'put', key, value: bytes(0, 255) },
          { type: 'get', key },
          { type: 'put', key: `${key}/a`, value: 'a' },
          { type: 'put', key: `${key}/b`, value: '' },
        ],
      });
      assert(written?.succeeded);
      assert.deepEqual(
        written.results.map(({ type }) => type),
        ['put', 'get', 'put', 'put'],
      );
      const entry = written.results[1]?.type === 'get' ? written.results[1].entries[0] : undefined;
      assert.deepEqual(entry?.value, bytes(0, 255));
      const { revision } = written;
      assert.deepEqual([entry?.version, entry?.createRevision, entry?.modRevision], [1, revision, revision]);
      const read = await run({
        success: [
          { type: 'get', prefix: `${key}/` },
          { type: 'get', prefix: key, limit: 2 },
        ],
      });
      const [all, limited] = read?.results ?? [];
      assert(all?.type === 'get' && limited?.type === 'get');
      const text = (value: Uint8Array) => new TextDecoder().decode(value);
      assert.deepEqual(
        all.entries.map((one) => [text(one.key), text(one.value)]),
        [
          [`${key}/a`, 'a'],
          [`${key}/b`, ''],
        ],
      );
      assert.deepEqual([all.more, limited.entries.length, limited.more], [false, 2, true]);
      const deleted = await run({
        success: [
          { type: 'delete', prefix: `${key}/` },
          { type: 'delete', key },
          { type: 'get', prefix: key },
        ],
      });
      assert(deleted !== undefined && deleted.revision > revision);
      assert.deepEqual(deleted.results, [
        { type: 'delete', deleted: 2 },
        { type: 'delete', deleted: 1 },
        { type: 'get', entries: [], more: false },
      ]);
    },
  },
  {
    name: 'a transaction with an old token does nothing and says so',
    skip: cannot,
    async run(stage) {
      const { session: first, token: oldToken, key } = await leadingOne(stage);
      await first.release(stage.name, oldToken);
      const put = (value: string): StoreTransaction => ({ success: [{ type: 'put', key, value }] });
      const refused = async (what: string) => {
        const result = await transact(stage, first, oldToken, put('ghost'));
        assert.equal(result, undefined, `a transaction ${what} must be refused`);
      };
      await refused('of one who resigned');
      const second = await stage.open('second');
      const token = await stage.win(second);
      await transact(stage, second, token, put('second'));
      await refused('of one whose successor leads');
      const [read] =
        (await transact(stage, second, token, { success: [{ type: 'get', key }] }))?.results ?? [];
      assert(read?.type === 'get');
      assert.equal(new TextDecoder().decode(read.entries[0]?.value), 'second');
    },
  },
  {
    name: 'a transaction takes the branch that its compares say, whatever they look at',
    skip: cannot,
    async run(stage) {
      const { key, run } = await leadingOne(stage);
      const missing = `${key}-missing`;
      const first = await run({ success: [{ type: 'put', key, value: 'b' }] });
      const second = await run({ success: [{ type: 'put', key, value: 'm' }] });
      assert(first && second);
      const holding = [
        asking(),
        asking({ key, target: 'exists', value: true }),
        asking({ key: missing, target: 'exists', value: false }),
        asking({ key, target: 'version', value: 2 }),
        asking({ key, target: 'version', result: '<', value: 3 }),
        asking({ key: missing, target: 'version', value: 0 }),
        asking({ key, target: 'createRevision', value: first.revision }),
        asking({ key, target: 'modRevision', value: second.revision }),
        asking({ key, target: 'modRevision', result: '>', value: first.revision }),
        asking({ key, target: 'value', value: 'm' }),
        asking({ key, target: 'value', result: '>', value: 'b' }),
        asking({ key, target: 'value', result: '<', value: bytes(255) }),
        asking({ key, target: 'value', result: '!=', value: 'b' }),
      ];
      const failing = [
        asking({ key, target: 'exists', value: false }),
        asking({ key: missing, target: 'exists', value: true }),
        asking({ key, target: 'version', result: '!=', value: 2 }),
        asking({ key, target: 'createRevision', result: '>', value: first.revision }),
        asking({ key, target: 'value', result: '<', value: 'm' }),
        asking({ key: missing, target: 'value', result: '!=', value: 'm' }),
        asking({ key, target: 'exists', value: true }, { key, target: 'version', value: 1 }),
      ];
      for (const transaction of holding) {
        assert.equal((await run(transaction))?.succeeded, true, `${JSON.stringify(transaction)} must hold`);
      }
      for (const transaction of failing) {
        assert.equal(
          (await run(transaction))?.succeeded,
          false,
          `${JSON.stringify(transaction)} must not hold`,
        );
      }
      const compare = [{ key, target: 'version', value: 1 }] as const;
      const other = await run({
        compare,
        success: [{ type: 'delete', key }],
        failure: [{ type: 'put', key: missing, value: '1' }],
      });
      assert.deepEqual([other?.succeeded, other?.results], [false, [{ type: 'put' }]]);
      assert.equal((await run(asking({ key, target: 'version', value: 2 })))?.succeeded, true);
      assert.equal((await run(asking({ key: missing, target: 'exists', value: true })))?.succeeded, true);
    },
  },
  {
    name: 'a malformed transaction is refused before any effect',
    skip: cannot,
    async run(stage) {
      const { session, token, key, run } = await leadingOne(stage);
      const malformed: StoreTransaction[] = [
        { success: [{ type: 'put', key: '', value: '' }] },
        { success: [{ type: 'get', prefix: '' }] },
        {
          success: [
            { type: 'put', key, value: '1' },
            { type: 'put', key, value: '2' },
          ],
        },
        {
          success: [
            { type: 'delete', prefix: key },
            { type: 'put', key: `${key}/a`, value: '1' },
          ],
        },
        {
          failure: [
            { type: 'put', key, value: '1' },
            { type: 'delete', key },
          ],
        },
        { success: [{ type: 'get', prefix: key, limit: 0 }] },
        { compare: [{ key, target: 'version', value: -1 }], failure: [{ type: 'put', key, value: '1' }] },
      ];
      for (const transaction of malformed) {
        await stage.assertRejects(
          (async () => session.transact?.(stage.name, token, transaction))(),
          'invalid-argument',
          `the transaction ${JSON.stringify(transaction)}`,
        );
      }
      assert.equal((await run(asking({ key, target: 'exists', value: false })))?.succeeded, true);
    },
  },
];
