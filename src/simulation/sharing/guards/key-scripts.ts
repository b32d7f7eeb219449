/** Scripts as Redis runs them: each is one step, on keys and arguments that are bytes. */
import { createHash } from 'node:crypto';
import { command, type Reply, ReplyError, type StoredValue } from './key-commands.ts';
import { compile, LuaError, LuaTable, type LuaValue, library, luaLibrary } from './lua/index.ts';

type Compiled = ReturnType<typeof compile>;

export class ScriptServer {
  readonly keys = new Map<string, StoredValue>();
  readonly #known = new Map<string, Compiled>();

  /** Scripts are kept in memory only. */
  forgetScripts(): void {
    this.#known.clear();
  }

  evalSha(sha1: string, keys: readonly string[], args: readonly string[]): unknown {
    const script = this.#known.get(sha1);
    if (script === undefined) throw new ReplyError('NOSCRIPT No matching script. Please use EVAL.');
    return this.#run(script, keys, args);
  }

  eval(source: string, keys: readonly string[], args: readonly string[]): unknown {
    const sha1 = createHash('sha1').update(source).digest('hex');
    let script = this.#known.get(sha1);
    if (script === undefined) {
      script = compiled(source);
      this.#known.set(sha1, script);
    }
    return this.#run(script, keys, args);
  }

  #run(script: Compiled, keys: readonly string[], args: readonly string[]): unknown {
    const globals = luaLibrary();
    globals.set('KEYS', LuaTable.of(keys.map(toBytes)));
    globals.set('ARGV', LuaTable.of(args.map(toBytes)));
    globals.set(
      'redis',
      library({
        call: (...words) => [fromReply(command(this.keys, words.map(argument)))],
      }),
    );
    try {
      return answerOf(script(globals)[0]);
    } catch (error) {
      if (error instanceof ReplyError) throw new ReplyError(`${error.message} script: user_script`);
      if (error instanceof LuaError)
        throw new ReplyError(`ERR user_script: ${error.message} script: user_script`);
      throw error;
    }
  }
}

/** One that is the same in all lives is compiled once. */
const cache = new Map<string, Compiled>();
const mostCached = 100;

function compiled(source: string): Compiled {
  let script = cache.get(source);
  if (script !== undefined) return script;
  try {
    script = compile(toBytes(source));
  } catch (error) {
    if (!(error instanceof LuaError)) throw error;
    throw new ReplyError(`ERR Error compiling script (new function): user_script:${error.message}`);
  }
  if (cache.size < mostCached) cache.set(source, script);
  return script;
}

function argument(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new LuaError('Lua redis lib command arguments must be strings or integers');
}

function fromReply(reply: Reply): LuaValue {
  if (reply === null) return false;
  if (typeof reply !== 'object') return reply;
  if ('ok' in reply) return tableOf({ ok: reply.ok });
  return LuaTable.of(reply.map(fromReply));
}

function tableOf(fields: Readonly<Record<string, LuaValue>>): LuaTable {
  const table = new LuaTable();
  for (const [name, value] of Object.entries(fields)) table.set(name, value);
  return table;
}

/** As clients get it: fractions are cut off, false is null, a table ends before its first nil. */
function answerOf(value: LuaValue): unknown {
  if (value === undefined || value === false) return null;
  if (value === true) return 1;
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value === 'string') return Buffer.from(value, 'latin1').toString('utf8');
  if (typeof value === 'function') return null;
  const [error, status] = [value.get('err'), value.get('ok')];
  if (typeof error === 'string') throw new ReplyError(error);
  if (typeof status === 'string') return status;
  return value.items.map(answerOf);
}

function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
