/**
 * The scripts. Redis runs a script as one step, so a fence that is checked in it stays true until it ends.
 *
 * A fence is a hash: election, token, version, recent (the ids of the last writes, newest first, so that one that is
 * sent twice takes effect once) and reply (what the last script returned, for the same case).
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** Hex digits of a write's id. */
export const writeIdLength = 16;
/** How many writes back a repeated one is recognised. */
export const recentWrites = 32;
const replyLimitBytes = 65_536;

function script(...parts: readonly string[]): Script {
  const source = parts.join('\n');
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** KEYS[1]: the fence. Every answer begins: status, election, token, version. */
const load = `
local function isCount(text)
  return text == '0' or (#text <= 16 and string.find(text, '^[1-9]%d*$') ~= nil)
end
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'hash' and kind ~= 'none' then return {'damaged', '', '0', '0'} end
local seen = redis.call('HMGET', KEYS[1], 'election', 'token', 'version', 'recent')
local election, token, version, recent = seen[1] or '', seen[2] or '0', seen[3] or '0', seen[4] or ''
if not isCount(token) or not isCount(version) or (kind == 'hash' and not seen[2]) then
  return {'damaged', '', '0', '0'}
end`;

/** ARGV: election, token, writeId, expected version or ''. */
const enter = `${load}
local place = string.find(recent, ARGV[3], 1, true)
if place then
  local later = (place - 1) / ${writeIdLength}
  local applied = string.format('%.0f', tonumber(version) - later)
  local reply = later == 0 and redis.call('HGET', KEYS[1], 'reply') or false
  if not reply then return {'repeated-unheard', election, ARGV[2], applied} end
  return {'repeated', election, ARGV[2], applied, cmsgpack.unpack(reply)}
end
if tonumber(ARGV[2]) < tonumber(token) or (election ~= '' and ARGV[1] ~= '' and election ~= ARGV[1]) then
  return {'refused', election, token, version}
end
if ARGV[4] ~= '' and ARGV[4] ~= version then return {'conflict', election, token, version} end
local function pass()
  if ARGV[1] ~= '' then election = ARGV[1] end
  token, version = ARGV[2], string.format('%.0f', tonumber(version) + 1)
  recent = string.sub(ARGV[3] .. recent, 1, ${writeIdLength * recentWrites})
  redis.call('HSET', KEYS[1], 'election', election, 'token', token, 'version', version, 'recent', recent)
  redis.call('HDEL', KEYS[1], 'reply')
end`;

/** KEYS[2]: the value. ARGV[5]: '1' to take over a value without a fence. */
const enterValue = `${enter}
local valueKind = redis.call('TYPE', KEYS[2])['ok']
if valueKind ~= 'string' and valueKind ~= 'none' then return {'wrong-type', valueKind, token, version} end
if valueKind == 'string' and kind == 'none' and ARGV[5] ~= '1' then return {'unfenced', '', '0', '0'} end`;

export const readValue = script(
  load,
  `local value = redis.call('TYPE', KEYS[2])['ok']
if value ~= 'string' and value ~= 'none' then return {'wrong-type', value, token, version} end
return {'done', election, token, version, redis.call('GET', KEYS[2])}`,
);

export const claimFence = script(
  enterValue,
  `if kind == 'hash' and token == ARGV[2] and (ARGV[1] == '' or election == ARGV[1]) then
  return {'done', election, token, version, redis.call('GET', KEYS[2])}
end
pass()
return {'done', election, token, version, redis.call('GET', KEYS[2])}`,
);

/** ARGV[6]: the value; ARGV[7]: milliseconds that it lives, or ''. */
export const writeValue = script(
  enterValue,
  `pass()
if ARGV[7] == '' then redis.call('SET', KEYS[2], ARGV[6])
else redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[7]) end
return {'done', election, token, version}`,
);

export const deleteValue = script(
  enterValue,
  `pass()
redis.call('DEL', KEYS[2])
return {'done', election, token, version}`,
);

/** The user's script, with its own KEYS and ARGV: those behind the fence's. */
export function fencedSource(work: string): Script {
  return script(
    `local function work(KEYS, ARGV)\n${work}\nend`,
    enter,
    `local keys, args = {}, {}
for index = 2, #KEYS do keys[index - 1] = KEYS[index] end
for index = 5, #ARGV do args[index - 4] = ARGV[index] end
pass()
local reply = work(keys, args)
if type(reply) == 'table' and reply['err'] then return {'failed', election, token, version, reply['err']} end
local packed = cmsgpack.pack(reply)
if #packed <= ${replyLimitBytes} then redis.call('HSET', KEYS[1], 'reply', packed) end
return {'done', election, token, version, reply}`,
  );
}
