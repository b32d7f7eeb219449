import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminalPicture } from './terminal-picture.ts';

test('each run of text stands at its column, in its colour', () => {
  const picture = terminalPicture('one \x1b[1m\x1b[32mtwo\x1b[0m\n\x1b[31mthree', 20, 'words');
  assert.match(picture, /<text x="16" [^>]*fill="#d7dde4">one<\/text>/);
  assert.match(picture, /<text x="48" [^>]*fill="#3fb950" font-weight="bold">two<\/text>/);
  assert.match(picture, /<text x="16" [^>]*fill="#ff7b72">three<\/text>/);
});

test('a style lasts until it is changed, over the end of a line too', () => {
  const picture = terminalPicture('\x1b[33ma\nb', 10, 'lines');
  assert.equal(picture.match(/fill="#e3b341"/g)?.length, 2);
});

test('blocks become one shape as wide as their eighths', () => {
  assert.match(terminalPicture('██▌', 10, 'bar'), /<rect x="16" y="\d+" width="20" /);
});

test('what XML would take for markup is escaped', () => {
  assert.match(terminalPicture('a<b & "c"', 20, '<'), /a&lt;b &amp; &quot;c&quot;/);
});

test('an escape code that it does not know is an error, not a wrong picture', () => {
  assert.throws(() => terminalPicture('\x1b[45mx', 10, 'unknown'), /45/);
});
