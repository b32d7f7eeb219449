/**
 * The scripts, each of which Redis runs as one step. A document is a hash: `text`; `writes`, the ids of its last
 * writes, newest first (the newest is the document's version, the others tell a command that a client sent twice);
 * `expires`, where it has a time to live, in milliseconds of the server's clock.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** Hexadecimal digits of a write's id. */
export const writeIdLength = 16;
const recentWrites = 16;

/**
 * The database, the last argument of each script; '': where the connection is. A client may go on in database 0 where it
 * could not select another: so no write is left to what it has selected.
 */
const select = `local database = ARGV[#ARGV]
if database ~= '' then redis.call('SELECT', database) end`;

function script(...parts: readonly string[]): Script {
  const source = [select, ...parts].join('\n');
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** KEYS: the document, the index of elections (one slot of a cluster). */
const load = `
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'hash' and kind ~= 'none' then return {'foreign', kind} end
local found = redis.call('HMGET', KEYS[1], 'writes', 'text', 'expires')
local writes = found[1] or ''
if kind == 'hash' and (#writes < ${writeIdLength} or not found[2]) then return {'foreign', kind} end
local version = string.sub(writes, 1, ${writeIdLength})
local function number(value) return string.format('%.0f', value) end`;

/**
 * KEYS: any number of documents. Answers for each: version, text and what is left of its time or ''; all are '' where
 * there is none. Where something else stands there: 'foreign', its type, ''. Now is down to the millisecond, so that what is left is rounded up.
 */
export const readDocuments = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {'done'}
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key)['ok']
  local version, text, left = '', '', ''
  if kind ~= 'none' then
    local found = kind == 'hash' and redis.call('HMGET', key, 'writes', 'text', 'expires') or {}
    if #(found[1] or '') < ${writeIdLength} or not found[2] then
      version, text = 'foreign', kind
    else
      version, text = string.sub(found[1], 1, ${writeIdLength}), found[2]
      if found[3] then left = string.format('%.0f', found[3] - now) end
    end
  end
  for _, value in ipairs({version, text, left}) do answer[#answer + 1] = value end
end
return answer`);

/**
 * ARGV: version to be replaced or '', id of this write, text, ttlMs or '', keepMs or '', channel, message or '', name
 * or ''.
 */
export const writeDocument = script(
  load,
  `if string.find(writes, ARGV[2], 1, true) then return {'done'} end
if version ~= ARGV[1] then return {'other'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.ceil(time[2] / 1000)
writes = string.sub(ARGV[2] .. writes, 1, ${writeIdLength * recentWrites})
redis.call('HSET', KEYS[1], 'writes', writes, 'text', ARGV[3])
if ARGV[4] == '' then redis.call('HDEL', KEYS[1], 'expires')
else redis.call('HSET', KEYS[1], 'expires', number(now + ARGV[4])) end
if ARGV[5] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
if ARGV[8] ~= '' then
  redis.call('ZADD', KEYS[2], ARGV[5] == '' and '+inf' or number(now + ARGV[5]), ARGV[8])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. number(now - 1000))
end
if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return {'done'}`,
);

/**
 * KEYS: any number of documents. ARGV, for each: version to be replaced, id of this write, text, ttlMs, keepMs. Answers
 * for each 'done' or 'other', whatever became of those beside it.
 */
export const renewDocuments = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.ceil(time[2] / 1000)
local answer = {'done'}
for at, key in ipairs(KEYS) do
  local first = 5 * (at - 1)
  local replaces, id, text, ttl, keep = ARGV[first + 1], ARGV[first + 2], ARGV[first + 3], ARGV[first + 4], ARGV[first + 5]
  local kind = redis.call('TYPE', key)['ok']
  local found = kind == 'hash' and redis.call('HMGET', key, 'writes', 'text') or {}
  local writes = found[1] or ''
  if not found[2] then answer[#answer + 1] = 'other'
  elseif string.find(writes, id, 1, true) then answer[#answer + 1] = 'done'
  elseif string.sub(writes, 1, ${writeIdLength}) ~= replaces then answer[#answer + 1] = 'other'
  else
    writes = string.sub(id .. writes, 1, ${writeIdLength * recentWrites})
    redis.call('HSET', key, 'writes', writes, 'text', text, 'expires', string.format('%.0f', now + ttl))
    redis.call('PEXPIRE', key, keep)
    answer[#answer + 1] = 'done'
  end
end
return answer`);

/** ARGV: version, channel, message, name or ''. */
export const removeDocument = script(
  load,
  `if kind == 'none' or version ~= ARGV[1] then return {'other'} end
redis.call('DEL', KEYS[1])
if ARGV[4] ~= '' then redis.call('ZREM', KEYS[2], ARGV[4]) end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return {'done'}`,
);

/** KEYS: the index. ARGV: prefix. */
export const listElections = script(`
local names = {'done'}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(name, 1, #ARGV[1]) == ARGV[1] then names[#names + 1] = name end
end
return names`);

/**
 * Everything that the others do, on a key that nobody has; so a permission that is missing, and a replica, show before
 * anything half done does. Servers before Redis 7 do not say which command of a script is not permitted: `try` does.
 * KEYS: that key. ARGV: channel. Answers: maxmemory, its policy ('' where INFO is refused).
 */
export const tryEverything = script(`
local function try(...)
  local failure = redis.pcall(...)
  local text = type(failure) == 'table' and failure['err'] or ''
  if string.find(text, 'run this command', 1, true) then
    error("NOPERM no permissions to run the '" .. string.lower((...)) .. "' command")
  end
  if text ~= '' then redis.call(...) end
end
try('HSET', KEYS[1], 'text', '')
try('PEXPIRE', KEYS[1], '1000')
try('PERSIST', KEYS[1])
try('TYPE', KEYS[1])
try('HMGET', KEYS[1], 'text')
try('HDEL', KEYS[1], 'text')
try('ZADD', KEYS[1], '+inf', '')
try('ZRANGE', KEYS[1], 0, -1)
try('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(0')
try('ZREM', KEYS[1], '')
try('DEL', KEYS[1])
try('PUBLISH', ARGV[1], '')
try('TIME')
local memory = redis.pcall('INFO', 'memory')
if type(memory) ~= 'string' then return {'done', '', ''} end
return {'done', string.match(memory, 'maxmemory:(%d+)') or '', string.match(memory, 'maxmemory_policy:(%S+)') or ''}`);
