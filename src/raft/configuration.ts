import {
  type Configuration,
  type ConfigurationAt,
  type Entry,
  InvariantViolation,
  type MemberId,
  type SnapshotMeta,
} from './types.ts';

/** Written now. Version 1 had voters alone. */
const FORMAT_VERSION = 2;
const COUNT_BYTES = 4;
const ID_BYTES = 8;
const TWO_TO_32 = 0x1_0000_0000;
const nobody: readonly MemberId[] = Object.freeze([]);

/**
 * The data of a `configuration` entry: version (1 byte); then voters, outgoing voters and learners, each as a number (4)
 * and so many ids (8); then the bytes of the context (4) and the context. All numbers big-endian.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, outgoing = nobody, learners = nobody, context = new Uint8Array(0) } = configuration;
  const members = voters.length + outgoing.length + learners.length;
  const data = new Uint8Array(1 + 4 * COUNT_BYTES + members * ID_BYTES + context.length);
  const view = new DataView(data.buffer);
  view.setUint8(0, FORMAT_VERSION);
  let offset = 1;
  for (const list of [voters, outgoing, learners]) {
    view.setUint32(offset, list.length);
    offset += COUNT_BYTES;
    for (const member of list) {
      view.setUint32(offset, Math.floor(member / TWO_TO_32));
      view.setUint32(offset + 4, member % TWO_TO_32);
      offset += ID_BYTES;
    }
  }
  view.setUint32(offset, context.length);
  data.set(context, offset + COUNT_BYTES);
  return data;
}

/** @throws InvariantViolation where it is not what was written, or makes no sense. */
export function decodeConfiguration(data: Uint8Array): Configuration {
  const reader = new Reader(data);
  const version = reader.byte();
  if (version !== 1 && version !== FORMAT_VERSION) {
    throw new InvariantViolation(
      `a configuration entry has format ${version}; formats up to ${FORMAT_VERSION} are known`,
    );
  }
  const voters = reader.members();
  const joint = version === 1 ? {} : { outgoing: reader.members(), learners: reader.members() };
  const context = version === 1 ? undefined : reader.rest();
  reader.end();
  const configuration = configurationOf({ voters, ...joint, context });
  if (configuration.voters.length === 0) throw new InvariantViolation('a configuration entry names no voter');
  return checkedConfiguration(configuration);
}

class Reader {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  members(): MemberId[] {
    const count = this.#view.getUint32(this.#take(COUNT_BYTES));
    const start = this.#take(count * ID_BYTES);
    return Array.from({ length: count }, (_, position) => {
      const offset = start + position * ID_BYTES;
      return this.#view.getUint32(offset) * TWO_TO_32 + this.#view.getUint32(offset + 4);
    });
  }

  /** Copied: the entry's bytes may be a part of more. */
  rest(): Uint8Array {
    const bytes = this.#view.getUint32(this.#take(COUNT_BYTES));
    const start = this.#take(bytes);
    return this.#data.slice(start, start + bytes);
  }

  end(): void {
    if (this.#offset !== this.#data.byteLength) this.#fail();
  }

  #take(bytes: number): number {
    const start = this.#offset;
    if (start + bytes > this.#data.byteLength) this.#fail();
    this.#offset = start + bytes;
    return start;
  }

  #fail(): never {
    throw new InvariantViolation(
      `a configuration entry of ${this.#data.byteLength} bytes has another length`,
    );
  }
}

/** Without the parts that are empty: equal configurations then look alike. */
export function configurationOf(parts: {
  readonly voters: readonly MemberId[];
  readonly outgoing?: readonly MemberId[] | undefined;
  readonly learners?: readonly MemberId[] | undefined;
  readonly context?: Uint8Array | undefined;
}): Configuration {
  const { voters, outgoing = nobody, learners = nobody, context } = parts;
  return {
    voters,
    ...(outgoing.length > 0 && { outgoing }),
    ...(learners.length > 0 && { learners }),
    ...(context !== undefined && context.length > 0 && { context }),
  };
}

/** The same configuration, or an error naming what is wrong with it. */
export function checkedConfiguration(configuration: Configuration): Configuration {
  const fault = faultOf(configuration);
  if (fault !== undefined) throw new InvariantViolation(fault);
  return configuration;
}

/** What is wrong with it, in words. */
export function faultOf({ voters, outgoing = nobody, learners = nobody }: Configuration): string | undefined {
  for (const member of [...voters, ...outgoing, ...learners])
    if (!Number.isSafeInteger(member) || member <= 0) return `${member} is not a member id`;
  // One that leaves the voters may stay as a learner: until the change is done it is both.
  const twice = firstRepeated([...voters, ...learners]) ?? firstRepeated(outgoing);
  return twice === undefined ? undefined : `the configuration names member ${twice} twice`;
}

function firstRepeated(members: readonly MemberId[]): MemberId | undefined {
  return members.find((member, position) => members.indexOf(member) !== position);
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing !== undefined;
}

/** Everybody who gets entries, each once. */
export function membersOf({ voters, outgoing = nobody, learners = nobody }: Configuration): MemberId[] {
  return [...new Set([...voters, ...outgoing, ...learners])];
}

/**
 * Which configuration is in force: always the latest in the log, committed or not (dissertation §4.1), so a truncation
 * brings back the one before.
 */
export class ConfigurationHistory {
  /** Ascending by index; the first is the base, at the snapshot's index or 0, and is never removed. */
  readonly #versions: ConfigurationAt[];

  constructor(base: Configuration, snapshot: SnapshotMeta | undefined, entries: readonly Entry[]) {
    const first = snapshot === undefined ? base : snapshot.configuration;
    this.#versions = [{ index: snapshot?.index ?? 0, configuration: checkedConfiguration(first) }];
    for (const entry of entries) if (entry.kind === 'configuration') this.append(entry);
  }

  get latest(): ConfigurationAt {
    return this.#versions.at(-1) as ConfigurationAt;
  }

  get current(): Configuration {
    return this.latest.configuration;
  }

  /** As of the entry at `index`; of what a snapshot stands for, only its end is known. */
  at(index: number): Configuration {
    return this.#since(index)[0]?.configuration ?? this.current;
  }

  /** Whether it votes by the configuration at `index` or by any later one. */
  isVoterSince(index: number, member: MemberId): boolean {
    return this.#since(index).some(
      ({ configuration: { voters, outgoing } }) => voters.includes(member) || outgoing?.includes(member),
    );
  }

  #since(index: number): readonly ConfigurationAt[] {
    const inForce = this.#versions.findLastIndex((version) => version.index <= index);
    return this.#versions.slice(Math.max(0, inForce));
  }

  /** A configuration entry was appended to the log. */
  append(entry: Entry): void {
    this.#versions.push({ index: entry.index, configuration: decodeConfiguration(entry.data) });
  }

  /** Entries from `index` on are gone. */
  truncateFrom(index: number): void {
    while (this.#versions.length > 1 && (this.#versions.at(-1)?.index ?? 0) >= index) this.#versions.pop();
  }

  /** A snapshot stands for everything up to its index. */
  rebase(snapshot: SnapshotMeta): void {
    const later = this.#versions.filter((version) => version.index > snapshot.index);
    const inForce = this.#versions[this.#versions.length - later.length - 1];
    // Of our own log: who plans a change goes by the index that it was told, so that stays.
    const isOurs = inForce !== undefined && inForce.configuration === snapshot.configuration;
    const base = { index: snapshot.index, configuration: checkedConfiguration(snapshot.configuration) };
    this.#versions.splice(0, this.#versions.length, isOurs ? inForce : base, ...later);
  }
}
