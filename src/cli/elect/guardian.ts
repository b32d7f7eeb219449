/**
 * The guardian: a small process that runs a command and kills it when its leadership may have ended.
 *
 * It leads a process group of its own, and the command stays in that group, so one kill of the group ends the
 * command, all its children and the guardian itself, and whoever started the guardian knows the group from the
 * first moment on. The deadline rests here, not in the process that renews the lease: when that one is frozen it
 * stops extending, when it dies the pipe closes, and in both cases the command is gone in time.
 *
 * Must not: import more than it needs (it has to start fast and stay small), or wait for anybody.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { type Deadlines, type Instant, terminateNow, untilMs } from './deadlines.ts';
import { type FromGuardian, LineSplitter, type ToGuardian } from './protocol.ts';

/** Both clocks are looked at this often, so that waking from a sleep of the machine is noticed soon. */
const longestNapMs = 200;

const pipe = new Socket({ fd: 3, readable: true, writable: true });
const splitter = new LineSplitter();
let child: ChildProcess | undefined;
let deadlines: Deadlines | undefined;
let killWhenAlone = true;
let terminated = false;
let timer: NodeJS.Timeout | undefined;

function now(): Instant {
  return { monotonicMs: Number(process.hrtime.bigint()) / 1e6, wallMs: Date.now() };
}

function tell(message: FromGuardian): void {
  if (!pipe.destroyed) pipe.write(`${JSON.stringify(message)}\n`);
}

function signalGroup(signal: NodeJS.Signals): void {
  process.kill(-process.pid, signal);
}

/** The end of the command, of its children and of this process. */
function killGroup(): void {
  tell({ type: 'killing' });
  signalGroup('SIGKILL');
}

function terminateGroup(): void {
  terminated = true;
  tell({ type: 'terminating' });
  signalGroup('SIGTERM');
  // A stopped process acts on SIGTERM only once it runs again.
  signalGroup('SIGCONT');
}

function watchDeadlines(): void {
  clearTimeout(timer);
  if (deadlines === undefined) return;
  const present = now();
  const untilKillMs = untilMs(present, deadlines.killAt);
  if (untilKillMs <= 0) {
    killGroup();
    return;
  }
  const untilTerminateMs = untilMs(present, deadlines.terminateAt);
  if (untilTerminateMs <= 0 && !terminated) terminateGroup();
  const nextMs = terminated ? untilKillMs : untilTerminateMs;
  timer = setTimeout(watchDeadlines, Math.max(1, Math.min(longestNapMs, nextMs)));
}

function run(order: ToGuardian & { type: 'run' }): void {
  deadlines = order.deadlines;
  killWhenAlone = order.killWhenAlone;
  watchDeadlines();
  const [file = '', ...parameters] = order.command;
  child = spawn(file, parameters, { stdio: 'inherit', env: { ...process.env, ...order.environment } });
  child.on('spawn', () => tell({ type: 'started', pid: child?.pid ?? 0 }));
  child.on('error', (error: NodeJS.ErrnoException) => {
    tell({ type: 'not-started', code: error.code ?? '', message: error.message });
  });
  child.on('exit', (code, signal) => tell({ type: 'exited', code, signal }));
}

function obey(order: ToGuardian): void {
  if (order.type === 'run') {
    run(order);
  } else {
    deadlines = order.deadlines;
    watchDeadlines();
  }
}

/** Nobody extends the deadline any more. */
function left(): void {
  if (child === undefined || deadlines === undefined || killWhenAlone) {
    killGroup();
    return;
  }
  deadlines = terminateNow(now(), deadlines);
  watchDeadlines();
}

// Signals to the group are for the command; this process ends with the group only.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE'] as const) {
  process.on(signal, () => {});
}
pipe.setEncoding('utf8');
pipe.on('data', (chunk: string) => {
  for (const line of splitter.push(chunk)) obey(JSON.parse(line) as ToGuardian);
});
pipe.on('error', () => {});
pipe.on('close', left);
tell({ type: 'ready' });
