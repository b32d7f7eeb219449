import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { CommandFailure } from '../failure.ts';

/** Asked twice on a terminal; else the first line of stdin. Never from the command line, which others can see. */
export async function readNewPassword(user: string): Promise<string> {
  if (!process.stdin.isTTY) return await firstLineOfStdin();
  const first = await askSecretly(`Password of ${user}: `);
  const again = await askSecretly('The same again: ');
  if (first !== again) throw new CommandFailure('usage', 'The two passwords differ; nothing was changed.');
  return first;
}

/** Of who runs the command. @throws CommandFailure where nobody can be asked. */
export async function readOwnPassword(user: string): Promise<string> {
  if (process.stdin.isTTY) return await askSecretly(`Password of ${user}: `);
  throw new CommandFailure(
    'usage',
    `--user: there is no terminal to ask for the password of ${user}; give CONCLAVE_USER=${user}:PASSWORD.`,
  );
}

async function firstLineOfStdin(): Promise<string> {
  const [line = ''] = (await readAll(process.stdin)).split('\n');
  const password = line.endsWith('\r') ? line.slice(0, -1) : line;
  if (password === '') throw new CommandFailure('usage', 'stdin had no password: its first line is empty.');
  return password;
}

/** Shows nothing of what is typed. */
async function askSecretly(question: string): Promise<string> {
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const interrupted = new AbortController();
  prompt.on('SIGINT', () => interrupted.abort());
  try {
    return await prompt.question('', { signal: interrupted.signal });
  } catch {
    throw new CommandFailure('failed', 'Interrupted.');
  } finally {
    prompt.close();
    process.stderr.write('\n');
  }
}
