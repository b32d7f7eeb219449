/**
 * Names of elections as one segment of a path: no slash, nothing that a URL or a server would fold away, and every
 * name has one form only. What is plain stays readable.
 */

/** Signs that are safe in a path; letters and digits are among them. */
const usual = /[\w.:@-]/;
/** Most are such, and stand for themselves. */
const plainly = /^[\w:@-][\w.:@-]*$/;

/** What `plain` matches stays; other bytes of UTF-8 become =XX. The empty name is '='. */
export function escapeName(name: string, plain = usual): string {
  if (name === '') return '=';
  if (plain === usual && plainly.test(name)) return name;
  const escaped = Array.from(Buffer.from(name, 'utf8'), (byte) => {
    const character = String.fromCharCode(byte);
    return plain.test(character) ? character : escapeByte(byte);
  }).join('');
  // '.' and '..' are folders.
  return escaped.replace(/^\.+$/, (dots) => escapeByte(46).repeat(dots.length));
}

/** undefined: `escapeName` with the same `plain` does not make that. */
export function unescapeName(segment: string, plain = usual): string | undefined {
  if (segment === '=') return '';
  if (plain === usual && plainly.test(segment)) return segment;
  const bytes: number[] = [];
  for (const [piece] of segment.matchAll(/=[0-9A-F]{2}|./gsu)) {
    bytes.push(piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece.charCodeAt(0));
  }
  const name = Buffer.from(bytes).toString('utf8');
  return escapeName(name, plain) === segment ? name : undefined;
}

function escapeByte(byte: number): string {
  return `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
