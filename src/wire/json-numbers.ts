/**
 * JSON.parse keeps 15 digits of a number and forgets how it was spelt. Those that it would change are given to it as
 * strings with a mark: to have it call back for every value instead would take seconds for a few megabytes of numbers,
 * and nothing else runs meanwhile.
 */

/** What stands before the spelling of a number. No field that we have takes a text that begins so. */
const mark = '\0';
const escapedMark = '\\u0000';
/** JSON.parse gives integers of up to so many digits back as they were. */
const exactDigits = 15;
/** No request that makes sense has nearly so many numbers that need their spelling. */
const mostMarked = 100_000;

const wellFormed = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const code = { quote: 0x22, backslash: 0x5c, minus: 0x2d, zero: 0x30, nine: 0x39, colon: 0x3a } as const;

/** The text with each number that JSON.parse would change as a string with a mark. @throws RangeError for too many */
export function withMarkedNumbers(text: string): string {
  const parts: string[] = [];
  let taken = 0;
  for (let at = 0; at < text.length; ) {
    const char = text.charCodeAt(at);
    if (char === code.quote) {
      at = endOfString(text, at);
    } else if (char === code.minus || isDigit(char)) {
      const end = endOfNumber(text, at);
      if (needsMark(text, at, end)) {
        if (parts.length >= 2 * mostMarked) throw new RangeError('too many large or broken numbers');
        parts.push(text.slice(taken, at), `"${escapedMark}${text.slice(at, end)}"`);
        taken = end;
      }
      at = end;
    } else {
      at += 1;
    }
  }
  return parts.length === 0 ? text : parts.join('') + text.slice(taken);
}

/** The spelling of a number; undefined: the value is none. */
export function spelling(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.startsWith(mark) ? value.slice(mark.length) : undefined;
}

/** After the quote that ends the string which begins at `start`; of one without an end the end of the text. */
function endOfString(text: string, start: number): number {
  for (let from = start + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === code.backslash) backslashes += 1;
    from = quote + 1;
    if (backslashes % 2 === 0) return from;
  }
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && isOfNumber(text.charCodeAt(at))) at += 1;
  return at;
}

function needsMark(text: string, start: number, end: number): boolean {
  if (end - start <= exactDigits && isPlain(text, start, end)) return false;
  // What is no number, or stands where none may, JSON.parse refuses in its own words.
  if (!wellFormed.test(text.slice(start, end))) return false;
  let next = end;
  while (/\s/.test(text.charAt(next))) next += 1;
  return text.charCodeAt(next) !== code.colon;
}

function isPlain(text: string, start: number, end: number): boolean {
  const from = text.charCodeAt(start) === code.minus ? start + 1 : start;
  for (let at = from; at < end; at++) if (!isDigit(text.charCodeAt(at))) return false;
  return true;
}

function isDigit(char: number): boolean {
  return char >= code.zero && char <= code.nine;
}

/** Digits, and any of `+-.eE`. */
function isOfNumber(char: number): boolean {
  return isDigit(char) || char === 0x2b || char === 0x2d || char === 0x2e || char === 0x45 || char === 0x65;
}
