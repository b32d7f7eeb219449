import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, LuaError, LuaTable, type LuaValue, luaLibrary } from './index.ts';

function run(source: string, more: Readonly<Record<string, LuaValue>> = {}): LuaValue {
  const globals = luaLibrary();
  for (const [name, value] of Object.entries(more)) globals.set(name, value);
  const [result] = compile(source)(globals);
  return result instanceof LuaTable ? (result.items as unknown as LuaValue) : result;
}

test('operators bind and associate as in Lua', () => {
  assert.equal(run('return 1 + 2 * 3 - 4 / 2'), 5);
  assert.equal(run("return 'a' .. 'b' .. 1 + 1"), 'ab2');
  assert.equal(run('return not nil == true'), true);
  assert.equal(run("return nil and 1 or false or 'last'"), 'last');
  assert.equal(run('return -7 % 3'), 2);
  assert.equal(run("return #'abc' + #({1, 2})"), 5);
  assert.equal(run('return 1 < 2 and 2 <= 2 and 3 ~= 4'), true);
  assert.equal(run("return '10' < '9'"), true);
  assert.equal(run('return (2 + 3) * 2'), 10);
});

test('statements: locals, branches, loops, functions with upvalues', () => {
  const source = `
local first, second, third = 1, 2 -- the third is nil
local function add(by) first = first + by; return first, by end
if third then return 'wrong' elseif second == 2 then add(10) else return 'wrong' end
local seen = {}
for index = 1, 3 do seen[index] = index * index end
for index = 3, 1, -2 do seen[#seen + 1] = index end
while first < 14 do first = first + 1 end
seen[6], seen[7] = add(1)
return seen`;
  assert.deepEqual(run(source), [1, 4, 9, 3, 1, 15, 1]);
});

test('the last call of a list gives all its values', () => {
  assert.deepEqual(run("local from, to = string.find('xabc', 'abc', 1, true) return {from, to}"), [2, 4]);
  assert.equal(run("local found = string.find('abc', 'z') return found"), undefined);
});

test('patterns, formats and parts of texts', () => {
  const count = (text: string) => run("return string.find(text, '^[1-9]%d*$') ~= nil", { text });
  assert.deepEqual(['7', '120', '012', '1a', ''].map(count), [true, true, false, false, false]);
  assert.equal(run("return string.format('%.0f', tonumber('9007199254740991') - 1)"), '9007199254740990');
  assert.equal(run("return string.sub('abcdef', 2, 3) .. string.sub('abc', -2)"), 'bcbc');
  assert.equal(run("return tonumber('x')"), undefined);
  assert.equal(run("return cmsgpack.unpack(cmsgpack.pack('a'))"), 'a');
});

test('what is no Lua, or more of it than is known, is refused', () => {
  for (const source of [
    'return return',
    'local = 1',
    'if true then',
    'goto x',
    'x = {a = 1}',
    'repeat until true',
  ])
    assert.throws(() => compile(source), LuaError, source);
  assert.throws(() => run('return missing'), /nonexistent global 'missing'/);
  assert.throws(() => run('missing = 1'), /modify a global/);
  assert.throws(() => run("return 1 < '2'"), /attempt to compare number with string/);
  assert.throws(() => run('return nil .. 1'), /attempt to concatenate a nil value/);
});
