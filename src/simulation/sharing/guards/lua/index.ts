/**
 * The part of Lua 5.1 that the scripts of guards are written in, so that their text is what runs in a life.
 *
 * Guarantees: what it runs gives what Redis would give, which a test compares; what it does not know it refuses.
 *
 * Must not: take anything from the host; be used for other programs.
 */
export { compile } from './compile.ts';
export { library, luaLibrary } from './library.ts';
export { LuaError } from './tokens.ts';
export { LuaTable, type LuaValue } from './values.ts';
