import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../world/world.ts';
import { mysqlPool } from './sql-clients.ts';
import { SqlServer } from './sql-server.ts';
import type { Wire } from './wire.ts';

/** A connection on a wire that keeps savepoints back, and what has reached the server. */
async function slowForSavepoints() {
  const world = new World({ seed: 1 });
  const random = world.random('server');
  const server = new SqlServer({ world, random, flavour: 'mysql', onCommitted() {} });
  const reached: string[] = [];
  const held = Promise.withResolvers<void>();
  const wire: Pick<Wire, 'call'> = {
    async call(_process, what, handle) {
      if (what === 'SAVEPOINT') await held.promise;
      reached.push(what);
      return await handle();
    },
  };
  const process = world.startProcess('client', world.addHost('client'));
  const connection = await mysqlPool({ process, server, wire: wire as Wire }).getConnection();
  return { connection, reached, held };
}

test('statements of one connection reach the server in their order, also behind one that is late', async () => {
  const { connection, reached, held } = await slowForSavepoints();
  await connection.query('SET autocommit = 0');
  const late = connection.query('SAVEPOINT conclave_fence');
  const rollback = connection.query('ROLLBACK');
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.deepEqual(reached, ['connection', 'SET']);
  held.resolve();
  await Promise.all([late, rollback]);
  assert.deepEqual(reached, ['connection', 'SET', 'SAVEPOINT', 'ROLLBACK']);
});

test('a savepoint outside of a transaction begins none', async () => {
  const { connection, held } = await slowForSavepoints();
  held.resolve();
  await connection.query('SAVEPOINT conclave_fence');
  await assert.rejects(connection.query('RELEASE SAVEPOINT conclave_fence'), {
    code: 'ER_SP_DOES_NOT_EXIST',
  });
});
