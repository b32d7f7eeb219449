import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeRuntime } from '../../runtime/index.ts';
import { classify } from './mysql-errors.ts';
import { MysqlTable } from './mysql-table.ts';
import { Statements } from './statements.ts';

test('who has no right to a table is told that it may be missing as well, and what makes it', async () => {
  const denied = Object.assign(new Error('SELECT command denied'), {
    code: 'ER_TABLEACCESS_DENIED_ERROR',
    errno: 1142,
  });
  const service = {
    description: 'MySQL at db',
    ...{
      table: 't',
      migration: 'conclave migrate',
      grant: 'GRANT SELECT ON `t` TO its user',
      passwordIn: 'p',
    },
  };
  const connection = { query: () => Promise.reject(denied), release: () => {} };
  const pool = async () => ({ connect: async () => connection, [Symbol.asyncDispose]: async () => {} });
  await using statements = new Statements({ service, pool, classify, runtime: nodeRuntime() });
  await assert.rejects(new MysqlTable(statements, 't').check(new AbortController().signal), {
    code: 'failed-precondition',
    message: /GRANT SELECT ON `t`.*no table t either.*by conclave migrate \(SELECT command denied\)\.$/,
  });
});
