import type { Expression } from './scope.ts';
import { LuaError } from './tokens.ts';
import { isTrue, LuaTable, type LuaValue, toNumber, toText, typeOf } from './values.ts';

export function unary(operator: string, value: LuaValue): LuaValue {
  if (operator === 'not') return !isTrue(value);
  if (operator === '-') return -numberOf(value, 'arithmetic');
  if (typeof value === 'string') return value.length;
  if (value instanceof LuaTable) return value.length;
  throw new LuaError(`attempt to get length of a ${typeOf(value)} value`);
}

export function binary(operator: string, left: Expression, right: Expression): Expression {
  if (operator === 'and')
    return (scope) => {
      const value = left(scope);
      return isTrue(value) ? right(scope) : value;
    };
  if (operator === 'or')
    return (scope) => {
      const value = left(scope);
      return isTrue(value) ? value : right(scope);
    };
  return (scope) => operate(operator, left(scope), right(scope));
}

function operate(operator: string, left: LuaValue, right: LuaValue): LuaValue {
  switch (operator) {
    case '==':
      return left === right;
    case '~=':
      return left !== right;
    case '<':
      return isLess(left, right);
    case '>':
      return isLess(right, left);
    case '<=':
      return !isLess(right, left);
    case '>=':
      return !isLess(left, right);
    case '..':
      return textOf(left) + textOf(right);
    default:
      return calculate(operator, numberOf(left, 'arithmetic'), numberOf(right, 'arithmetic'));
  }
}

/** Numbers with numbers, texts with texts by their bytes. */
function isLess(left: LuaValue, right: LuaValue): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right;
  if (typeof left === 'string' && typeof right === 'string') return left < right;
  throw new LuaError(`attempt to compare ${typeOf(left)} with ${typeOf(right)}`);
}

function calculate(operator: string, left: number, right: number): number {
  if (operator === '+') return left + right;
  if (operator === '-') return left - right;
  if (operator === '*') return left * right;
  if (operator === '/') return left / right;
  return left - Math.floor(left / right) * right;
}

function textOf(value: LuaValue): string {
  const text = toText(value);
  if (text === undefined) throw new LuaError(`attempt to concatenate a ${typeOf(value)} value`);
  return text;
}

export function numberOf(value: LuaValue, what: string): number {
  const number = toNumber(value);
  if (number === undefined) throw new LuaError(`attempt to perform ${what} on a ${typeOf(value)} value`);
  return number;
}
