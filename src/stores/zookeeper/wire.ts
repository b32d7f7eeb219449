/** ZooKeeper's encoding ("jute") of the few requests and answers that the store needs. */

export const operations = {
  getData: 4,
  exists: 3,
  delete: 2,
  setData: 5,
  getChildren: 8,
  sync: 9,
  ping: 11,
  check: 13,
  multi: 14,
  create: 1,
  removeWatches: 18,
  multiRead: 22,
  authenticate: 100,
  addWatch: 106,
  closeSession: -11,
} as const;

/** The answer's own number, where it answers no request. */
export const unasked = { event: -1, ping: -2, authentication: -4 } as const;

export const failures = {
  none: 0,
  unimplemented: -6,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  nodeExists: -110,
  sessionExpired: -112,
  invalidAcl: -114,
  authenticationFailed: -115,
  sessionMoved: -118,
  notReadOnly: -119,
  quotaExceeded: -125,
  throttled: -127,
} as const;

export interface Stat {
  /** Of the transaction that made the node: another one for each node that ever had this path. */
  readonly madeBy: bigint;
  readonly changedAtMs: number;
  readonly version: number;
}

/** Who may do what with a node: a bit set of read 1, write 2, create 4, delete 8, administer 16. */
export interface Permission {
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

export const everything = 31;

/** Writes a body. A whole request is written into one buffer: what is made once a minute costs as much as its calls. */
export type Fill = (writer: Writer) => Writer;

export class Writer {
  #data = Buffer.allocUnsafe(1024);
  #length = 0;

  int(value: number): this {
    const at = this.#room(4);
    this.#data.writeInt32BE(value, at);
    return this;
  }

  long(value: bigint): this {
    const at = this.#room(8);
    this.#data.writeBigInt64BE(value, at);
    return this;
  }

  flag(value: boolean): this {
    const at = this.#room(1);
    this.#data[at] = value ? 1 : 0;
    return this;
  }

  bytes(value: Uint8Array): this {
    return this.int(value.length).raw(value);
  }

  text(value: string): this {
    const at = this.#room(4 + 3 * value.length);
    const length = this.#data.write(value, at + 4);
    this.#data.writeInt32BE(length, at);
    this.#length = at + 4 + length;
    return this;
  }

  raw(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#data.set(value, at);
    return this;
  }

  permissions(list: readonly Permission[]): this {
    this.int(list.length);
    for (const { permissions, scheme, id } of list) this.int(permissions).text(scheme).text(id);
    return this;
  }

  done(): Buffer {
    return this.#data.subarray(0, this.#length);
  }

  /** All that was written, and before it how long that is. */
  static frame(fill: Fill): Buffer {
    const frame = fill(new Writer().int(0)).done();
    frame.writeInt32BE(frame.length - 4, 0);
    return frame;
  }

  /** Where so many bytes may be written. */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#data.length) {
      const larger = Buffer.allocUnsafe(2 * this.#length);
      larger.set(this.#data.subarray(0, at));
      this.#data = larger;
    }
    return at;
  }
}

/** @throws RangeError where the answer is shorter than it says. */
export class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  int(): number {
    this.#at += 4;
    return this.#data.readInt32BE(this.#at - 4);
  }

  long(): bigint {
    this.#at += 8;
    return this.#data.readBigInt64BE(this.#at - 8);
  }

  flag(): boolean {
    this.#at += 1;
    return this.#data.readUInt8(this.#at - 1) === 1;
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int());
    if (this.#at + length > this.#data.length) throw new RangeError('the answer ends too early');
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  stat(): Stat {
    const madeBy = this.long();
    this.long();
    this.long();
    const changedAtMs = Number(this.long());
    const version = this.int();
    // Versions of children and permissions, owner, length, children, the last change of those.
    this.#at += 4 + 4 + 8 + 4 + 4 + 8;
    return { madeBy, changedAtMs, version };
  }
}

/** One part of a request that is carried out whole or not at all. */
export interface Part {
  readonly operation: number;
  readonly fill: Fill;
}

export function creating(path: string, data: string, permissions: readonly Permission[]): Part {
  // 0: persistent.
  const fill: Fill = (writer) => writer.text(path).text(data).permissions(permissions).int(0);
  return { operation: operations.create, fill };
}

export function settingData(path: string, data: string, version: number): Part {
  return { operation: operations.setData, fill: (writer) => writer.text(path).text(data).int(version) };
}

export function deleting(path: string, version: number): Part {
  return { operation: operations.delete, fill: (writer) => writer.text(path).int(version) };
}

export function checking(path: string, version: number): Part {
  return { operation: operations.check, fill: (writer) => writer.text(path).int(version) };
}

/** Without a watch. */
export function looking(path: string): Fill {
  return (writer) => writer.text(path).flag(false);
}

export function multi(parts: readonly Part[]): Uint8Array {
  const writer = new Writer();
  for (const { operation, fill } of parts) fill(writer.int(operation).flag(false).int(-1));
  return writer.int(-1).flag(true).int(-1).done();
}

/** In the order of the requests: a node's data and state, or one of `failures`. */
export function readMultiRead(reader: Reader): readonly (FoundNode | number)[] {
  const found: (FoundNode | number)[] = [];
  for (;;) {
    const operation = reader.int();
    const isLast = reader.flag();
    reader.int();
    if (isLast) return found;
    found.push(operation === -1 ? reader.int() : readNode(reader));
  }
}

export function readNode(reader: Reader): FoundNode {
  const data = reader.bytes().toString('utf8');
  return { data, stat: reader.stat() };
}

export interface FoundNode {
  readonly data: string;
  readonly stat: Stat;
}

export interface MultiResult {
  /** Of the first part that failed, with its place; none: all were carried out. */
  readonly failure: { readonly code: number; readonly part: number } | undefined;
  /** Of the parts that set data, in order. A server gives none for what is created as a part. */
  readonly stats: readonly Stat[];
}

export function readMulti(reader: Reader): MultiResult {
  const stats: Stat[] = [];
  let failure: MultiResult['failure'];
  for (let part = 0; ; part++) {
    const operation = reader.int();
    const isLast = reader.flag();
    reader.int();
    if (isLast) return { failure, stats };
    if (operation === -1) {
      const code = reader.int();
      // Those before the one that failed have 0.
      if (code !== failures.none) failure ??= { code, part };
    } else if (operation === operations.create) {
      reader.text();
    } else if (operation === operations.setData) {
      stats.push(reader.stat());
    }
  }
}
