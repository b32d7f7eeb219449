import type { FencedLeadership } from '../../../fencing/index.ts';
import { type FencedKey, type FencedScript, fencedKey, fencedScript } from '../../../fencing/redis/index.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import {
  type CallOptions,
  decodeEntries,
  encodeEntries,
  type Guarded,
  type GuardServer,
  readDirectly,
  resource,
  type ServerParts,
} from './guarded.ts';
import { command } from './key-commands.ts';
import { ScriptServer } from './key-scripts.ts';
import { Wire } from './wire.ts';

const listKey = `{${resource}}:list`;

/** The guard knows a write that comes twice for so many writes; a request is not later than those take. */
const latestMs = 700;

/**
 * As one Redis server that keeps each write: scripts run as they are written, one after the other; it forgets them when
 * it starts anew, and the client sends again what had no answer, as ioredis does after it connected again.
 */
export class KeyStore implements GuardServer {
  readonly #parts: ServerParts;
  readonly #wire: Wire;
  readonly #server = new ScriptServer();
  readonly #byScript: boolean;
  #before: unknown;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { world, random, faults, reports } = parts;
    this.#wire = new Wire({ world, random: random.fork('wire'), faults, reports, latestMs, relays: true });
    this.#wire.onDown = () => this.#server.forgetScripts();
    this.#byScript = random.chance(0.4);
  }

  connect(process: Process, random: Draw): Guarded {
    const send = (what: string, run: () => unknown) =>
      this.#wire.call(process, what, () => {
        if (this.#wire.chance(0.01)) throw new Error('LOADING Redis is loading the dataset in memory');
        const answer = run();
        this.#look();
        return answer;
      });
    const client = {
      evalsha: (sha1: string, count: number, ...rest: string[]) =>
        send('EVALSHA', () => this.#server.evalSha(sha1, rest.slice(0, count), rest.slice(count))),
      eval: (source: string, count: number, ...rest: string[]) =>
        send('EVAL', () => this.#server.eval(source, rest.slice(0, count), rest.slice(count))),
    };
    const { runtime } = process;
    if (!this.#byScript) return new GuardedKey(fencedKey(client, { key: resource, runtime }), random);
    const script = `if ARGV[1] == '' then return 0 end\nreturn redis.call('RPUSH', KEYS[1], ARGV[1])`;
    const fenceKey = `{${resource}}:fence`;
    const read = () => send('LRANGE', () => command(this.#server.keys, ['LRANGE', listKey, '0', '-1']));
    return new GuardedList(fencedScript(client, { fenceKey, script, runtime }), read);
  }

  #look(): void {
    const now = this.#server.keys.get(this.#byScript ? listKey : resource);
    if (now === this.#before || now === undefined || now instanceof Map) return;
    this.#before = now;
    this.#parts.reports.guardedChanged(resource, typeof now === 'string' ? decodeEntries(now) : now);
  }
}

class GuardedKey implements Guarded {
  readonly #key: FencedKey;
  readonly #random: Draw;

  constructor(key: FencedKey, random: Draw) {
    this.#key = key;
    this.#random = random;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    if (this.#random.chance(0.5)) {
      await this.#key.update(writer, ({ value }) => withEntry(value, entry), { signal });
      return;
    }
    const { value, version } = await this.#key.read({ signal });
    await this.#key.write(writer, withEntry(value, entry), { expectedVersion: version, signal });
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#key.claim(writer, { signal });
  }

  async read(): Promise<readonly string[]> {
    return decodeEntries((await this.#key.read()).value ?? '');
  }
}

function withEntry(value: string | undefined, entry: string): string {
  return encodeEntries([...decodeEntries(value ?? ''), entry]);
}

class GuardedList implements Guarded {
  readonly #script: FencedScript;
  readonly #read: () => Promise<unknown>;

  constructor(script: FencedScript, read: () => Promise<unknown>) {
    this.#script = script;
    this.#read = read;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    await this.#script.run(writer, { keys: [listKey], args: [entry], signal });
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#script.run(writer, { keys: [listKey], args: [''], signal });
  }

  async read(): Promise<readonly string[]> {
    return (await readDirectly(this.#read())) as string[];
  }
}
