import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ConclaveError } from '../errors/index.ts';
import { lockFile } from './lock.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'conclave-lock-'));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true });
});

const moduleUrl = JSON.stringify(new URL('./lock.ts', import.meta.url).href);
const program = (path: string): string => `
  import { lockFile } from ${moduleUrl};
  try {
    await lockFile(${JSON.stringify(path)});
    console.log('locked');
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.code);
  }`;

interface Contender {
  readonly child: ChildProcess;
  /** 'locked', or the code of the error. */
  readonly outcome: Promise<string>;
}

function contend(path: string): Contender {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(path)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const outcome = once(child.stdout as NonNullable<typeof child.stdout>, 'data').then(([data]) =>
    String(data).trim(),
  );
  return { child, outcome };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

test('another process is refused and told the pid of the holder', async () => {
  const path = join(folder, 'refused');
  const { child, outcome } = contend(path);
  assert.equal(await outcome, 'locked');
  await assert.rejects(lockFile(path), (error) => {
    assert.ok(ConclaveError.is(error, 'data-locked'));
    assert.ok(error.message.includes(`process ${child.pid}`), error.message);
    assert.ok(error.message.includes(path));
    assert.equal(error.details.pid, child.pid);
    return true;
  });
});

test('the lock of a process that was killed is free at once, and its pid is not named again', async () => {
  const path = join(folder, 'killed');
  const { child, outcome } = contend(path);
  assert.equal(await outcome, 'locked');
  await kill(child);
  const lock = await lockFile(path);
  assert.equal(fs.readFileSync(`${path}.owner`, 'utf8').split(' ')[0], String(process.pid));
  await lock[Symbol.asyncDispose]();
});

test('a process that is stopped keeps its lock', async () => {
  const path = join(folder, 'stopped');
  const { child, outcome } = contend(path);
  assert.equal(await outcome, 'locked');
  child.kill('SIGSTOP');
  await assert.rejects(lockFile(path), (error) => ConclaveError.is(error, 'data-locked'));
});

test('of several that start at once, exactly one gets it', async () => {
  const path = join(folder, 'race');
  const contenders = Array.from({ length: 4 }, () => contend(path));
  const outcomes = await Promise.all(contenders.map(({ outcome }) => outcome));
  assert.deepEqual(outcomes.sort(), ['data-locked', 'data-locked', 'data-locked', 'locked']);
});

test('a symbolic link to the folder leads to the same lock', async () => {
  const real = join(folder, 'real');
  fs.mkdirSync(real);
  fs.symlinkSync(real, join(folder, 'linked'));
  const { outcome } = contend(join(real, 'lock'));
  assert.equal(await outcome, 'locked');
  await assert.rejects(lockFile(join(folder, 'linked', 'lock')), (error) =>
    ConclaveError.is(error, 'data-locked'),
  );
});

test('within one process the second is refused, on another thread too', async () => {
  const path = join(folder, 'threads');
  const lock = await lockFile(path);
  await assert.rejects(lockFile(path), (error) => {
    assert.ok(ConclaveError.is(error, 'data-locked'));
    assert.match(error.message, /this process/);
    return true;
  });
  const script = `
    const { parentPort } = require('node:worker_threads');
    import(${moduleUrl})
      .then(({ lockFile }) => lockFile(${JSON.stringify(path)}))
      .then(() => parentPort.postMessage('locked'), (error) => parentPort.postMessage(error.code));`;
  const worker = new Worker(script, { eval: true });
  assert.deepEqual(await once(worker, 'message'), ['data-locked']);
  await worker.terminate();
  const { outcome } = contend(path);
  assert.equal(await outcome, 'data-locked');
  await lock[Symbol.asyncDispose]();
});

test('a worker thread that is terminated gives its lock up', async () => {
  const path = join(folder, 'terminated');
  const script = `
    const { parentPort } = require('node:worker_threads');
    import(${moduleUrl})
      .then(({ lockFile }) => lockFile(${JSON.stringify(path)}))
      .then(() => parentPort.postMessage('locked'));
    setInterval(() => {}, 1000);`;
  const worker = new Worker(script, { eval: true });
  assert.deepEqual(await once(worker, 'message'), ['locked']);
  await assert.rejects(lockFile(path), (error) => ConclaveError.is(error, 'data-locked'));
  await worker.terminate();
  await (await lockFile(path))[Symbol.asyncDispose]();
});

test('a folder that does not exist is not-found', async () => {
  await assert.rejects(lockFile(join(folder, 'absent', 'lock')), (error) =>
    ConclaveError.is(error, 'not-found'),
  );
});

test('the lock and the name of its holder are for their owner alone, also where the file was open to all', async () => {
  const path = join(folder, 'private');
  const mode = (name: string): number => fs.statSync(name).mode & 0o777;
  await using first = await lockFile(path);
  assert.deepEqual([mode(path), mode(`${path}.owner`)], [0o600, 0o600]);
  await first[Symbol.asyncDispose]();
  fs.chmodSync(path, 0o644);
  await using _second = await lockFile(path);
  assert.equal(mode(path), 0o600);
  const { outcome } = contend(path);
  assert.equal(await outcome, 'data-locked');
});
