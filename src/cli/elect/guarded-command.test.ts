import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type CommandEnd, GuardedCommand } from './guarded-command.ts';

const patience = { timeout: 30_000 };
const silent = '>/dev/null 2>&1';

/** A zombie whose parent has not looked yet runs no more than one that is reaped. */
function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const file = `/proc/${pid}/stat`;
  return !existsSync(file) || !/\) [ZX] /.test(readFileSync(file, 'utf8'));
}

async function untilGone(...pids: number[]): Promise<void> {
  while (pids.some(runs)) await sleep(5);
}

async function runGuarded(
  script: string,
  options: { remainingMs?: () => number; killAfterMs?: number } = {},
) {
  const guarded = new GuardedCommand();
  const ending = guarded.run({
    command: ['sh', '-c', script],
    environment: { CONCLAVE_TOKEN: '7' },
    times: { killAfterMs: options.killAfterMs ?? 1000, safetyMs: 50 },
    killWhenAlone: false,
    remainingMs: options.remainingMs ?? (() => 60_000),
  });
  return { guarded, ending };
}

async function endOf(
  script: string,
  options?: { remainingMs?: () => number; killAfterMs?: number },
): Promise<CommandEnd> {
  const { guarded, ending } = await runGuarded(script, options);
  const end = await ending;
  await guarded.dispose();
  return end;
}

test(
  "the command's own exit code and signal come through, and its environment has the token",
  patience,
  async () => {
    assert.deepEqual(await endOf('exit $((CONCLAVE_TOKEN + 1))'), { type: 'exited', code: 8, signal: null });
    assert.deepEqual(await endOf('kill -USR1 $$'), { type: 'exited', code: null, signal: 'SIGUSR1' });
  },
);

test('a command that does not exist is told apart from one that fails', patience, async () => {
  const guarded = new GuardedCommand();
  const end = await guarded.run({
    ...{ command: ['/no/such/command'], environment: {}, killWhenAlone: false },
    ...{ times: { killAfterMs: 100, safetyMs: 10 }, remainingMs: () => 60_000 },
  });
  await guarded.dispose();
  assert.equal(end.type === 'not-started' && end.code, 'ENOENT');
});

test('a deadline that nobody extends ends the command, with SIGTERM first', patience, async () => {
  const end = await endOf(`trap 'exit 3' TERM; sleep 60 ${silent} & wait`, {
    remainingMs: () => 6000,
    killAfterMs: 5900,
  });
  assert.deepEqual(end, { type: 'stopped', killed: false });
});

test('a command that ignores SIGTERM is killed', patience, async () => {
  const end = await endOf(`trap '' TERM; while :; do sleep 1 ${silent}; done`, {
    remainingMs: () => 1800,
    killAfterMs: 100,
  });
  assert.deepEqual(end, { type: 'stopped', killed: true });
});

test('extending keeps the command running beyond its first deadline', patience, async () => {
  const { guarded, ending } = await runGuarded('sleep 2.5; exit 5', {
    remainingMs: () => 1800,
    killAfterMs: 100,
  });
  const timer = setInterval(() => guarded.extend(), 20);
  assert.deepEqual(await ending, { type: 'exited', code: 5, signal: null });
  clearInterval(timer);
  await guarded.dispose();
});

test('stop ends it by SIGTERM at once, however much time is left', patience, async () => {
  await using parent = await startParent(60_000, { extend: true, stopAfterMs: 500 });
  assert.equal(await parent.end, 'stopped');
  await untilGone(...parent.pids);
});

test('a command that is stopped before it was started never starts', patience, async () => {
  const { guarded, ending } = await runGuarded('exit 9');
  guarded.stop();
  assert.deepEqual(await ending, { type: 'stopped', killed: false });
  await guarded.dispose();
});

test('a killed guardian takes the command with it', patience, async () => {
  await using parent = await startParent(60_000);
  process.kill(parent.group, 'SIGKILL');
  assert.equal(await parent.end, 'guardian-failed');
  await untilGone(...parent.pids);
});

test('children of the command die with it, also when it ends by itself', patience, async () => {
  await using parent = await startParent(60_000);
  process.kill(parent.command, 'SIGKILL');
  assert.equal(await parent.end, 'exited');
  await untilGone(...parent.pids);
});

test(
  'the command and its children die when the process that extends the deadline is killed',
  patience,
  async () => {
    await using parent = await startParent(60_000);
    parent.process.kill('SIGKILL');
    await untilGone(...parent.pids);
  },
);

test(
  'the command and its children die at the deadline when the process that extends it is frozen',
  patience,
  async () => {
    await using parent = await startParent(1000);
    parent.process.kill('SIGSTOP');
    await untilGone(...parent.pids);
    assert.equal(runs(parent.process.pid as number), true);
    parent.process.kill('SIGCONT');
    assert.equal(await parent.end, 'stopped');
  },
);

test('a frozen guardian is no help to a command whose time is up', patience, async () => {
  await using parent = await startParent(1500, { extend: false });
  process.kill(parent.group, 'SIGSTOP');
  assert.equal(await parent.end, 'stopped');
  await untilGone(...parent.pids);
});

interface Parent extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly group: number;
  readonly command: number;
  /** Of the command and its child. */
  readonly pids: number[];
  readonly end: Promise<string>;
}

/** A process that guards a shell with a child in the background, as `conclave elect` would, so that it can be killed. */
async function startParent(
  remainingMs: number,
  options: { extend: boolean; stopAfterMs?: number } = { extend: true },
): Promise<Parent> {
  const file = fileURLToPath(new URL('guarded-command.ts', import.meta.url));
  // Both ignore SIGTERM: nothing but the kill ends them.
  const script = `trap "" TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' & echo $PPID $$ $!; while :; do sleep 1; done`;
  const program = `
    import { GuardedCommand } from ${JSON.stringify(file)};
    const guarded = new GuardedCommand();
    if (${options.extend}) setInterval(() => guarded.extend(), 20);
    if (${options.stopAfterMs !== undefined}) setTimeout(() => guarded.stop(), ${options.stopAfterMs ?? 0});
    const end = await guarded.run({
      command: ['sh', '-c', ${JSON.stringify(script)}],
      environment: {},
      times: { killAfterMs: 200, safetyMs: 50 },
      killWhenAlone: ${remainingMs > 10_000},
      remainingMs: () => ${remainingMs},
    });
    console.log(end.type);
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const [group = 0, command = 0, background = 0] = String((await lines.next()).value)
    .split(' ')
    .map(Number);
  const end = lines.next().then((line) => String(line.value));
  const exited = once(child, 'close');
  return {
    ...{ process: child, group, command, pids: [command, background], end },
    async [Symbol.asyncDispose]() {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
