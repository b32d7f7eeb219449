// Makes docs/images/dev.svg: the view of `npm start` in a real terminal (tmux) after its keys killed the Raft leader,
// killed the job's leader, and paused it, right after its stale write was refused.
// Usage: node tools/picture.ts
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { terminalPicture } from './terminal-picture.ts';

const root = join(import.meta.dirname, '..');
const target = join(root, 'docs/images/dev.svg');
const columns = 100;
const socket = `conclave-picture-${process.pid}`;

const tmux = (...words: string[]) => execFileSync('tmux', ['-L', socket, ...words], { encoding: 'utf8' });

async function until(pattern: RegExp): Promise<void> {
  while (!pattern.test(tmux('capture-pane', '-p', '-t', 'view'))) await sleep(100);
}

tmux('new-session', '-d', '-s', 'view', '-x', String(columns), '-y', '36', '-c', root, 'npm start --silent');
try {
  await until(/leads with token/);
  await sleep(3000);
  tmux('send-keys', '-t', 'view', 'k');
  await until(/is the Raft leader of term \d+, \d+ ms after/);
  await sleep(2000);
  tmux('send-keys', '-t', 'view', 'j');
  await until(/leads with token \d+, .*after job-\d is killed|leads with token \d+, .*killed/);
  await sleep(2000);
  tmux('send-keys', '-t', 'view', 'p');
  await until(/REFUSED/);
  await sleep(500);
  const captured = tmux('capture-pane', '-e', '-p', '-t', 'view');
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, terminalPicture(captured, columns, 'npm start'));
  tmux('send-keys', '-t', 'view', 'q');
  await sleep(3000);
} finally {
  try {
    tmux('kill-server');
  } catch {
    // It ends with its last session, when `q` has ended the view.
  }
}
