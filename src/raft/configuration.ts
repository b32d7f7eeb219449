import {
  type Configuration,
  type Entry,
  InvariantViolation,
  type MemberId,
  type SnapshotMeta,
} from './types.ts';

const FORMAT_VERSION = 1;
const HEADER_BYTES = 5;
const VOTER_BYTES = 8;
const TWO_TO_32 = 0x1_0000_0000;

/** The data of a `configuration` entry: version (1 byte), number of voters (4), then each voter (8), big-endian. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const data = new Uint8Array(HEADER_BYTES + configuration.voters.length * VOTER_BYTES);
  const view = new DataView(data.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setUint32(1, configuration.voters.length);
  let offset = HEADER_BYTES;
  for (const voter of configuration.voters) {
    view.setUint32(offset, Math.floor(voter / TWO_TO_32));
    view.setUint32(offset + 4, voter % TWO_TO_32);
    offset += VOTER_BYTES;
  }
  return data;
}

export function decodeConfiguration(data: Uint8Array): Configuration {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.byteLength < HEADER_BYTES || view.getUint8(0) !== FORMAT_VERSION) {
    throw new InvariantViolation(
      `a configuration entry of ${data.byteLength} bytes is not of format ${FORMAT_VERSION}`,
    );
  }
  const count = view.getUint32(1);
  if (data.byteLength !== HEADER_BYTES + count * VOTER_BYTES) {
    throw new InvariantViolation(`a configuration entry of ${data.byteLength} bytes claims ${count} voters`);
  }
  const voters: MemberId[] = [];
  for (let offset = HEADER_BYTES; offset < data.byteLength; offset += VOTER_BYTES) {
    voters.push(view.getUint32(offset) * TWO_TO_32 + view.getUint32(offset + 4));
  }
  return checkedConfiguration({ voters });
}

/** The same configuration, or an error naming what is wrong with it. */
export function checkedConfiguration(configuration: Configuration): Configuration {
  const seen = new Set<MemberId>();
  for (const voter of configuration.voters) {
    if (!Number.isSafeInteger(voter) || voter <= 0)
      throw new InvariantViolation(`${voter} is not a member id`);
    if (seen.has(voter)) throw new InvariantViolation(`the configuration names member ${voter} twice`);
    seen.add(voter);
  }
  return configuration;
}

/**
 * Which configuration is in force: always the latest in the log, committed or not (dissertation §4.1), so a truncation
 * brings back the one before.
 */
export class ConfigurationHistory {
  /** Ascending by index; the first is the base, at the snapshot's index or 0, and is never removed. */
  readonly #versions: { readonly index: number; readonly configuration: Configuration }[];

  constructor(base: Configuration, snapshot: SnapshotMeta | undefined, entries: readonly Entry[]) {
    const first = snapshot === undefined ? base : snapshot.configuration;
    this.#versions = [{ index: snapshot?.index ?? 0, configuration: checkedConfiguration(first) }];
    for (const entry of entries) if (entry.kind === 'configuration') this.append(entry);
  }

  get current(): Configuration {
    return (this.#versions.at(-1) as { configuration: Configuration }).configuration;
  }

  /** A configuration entry was appended to the log. */
  append(entry: Entry): void {
    this.#versions.push({
      index: entry.index,
      configuration: checkedConfiguration(decodeConfiguration(entry.data)),
    });
  }

  /** Entries from `index` on are gone. */
  truncateFrom(index: number): void {
    while (this.#versions.length > 1 && (this.#versions.at(-1)?.index ?? 0) >= index) this.#versions.pop();
  }

  /** A snapshot stands for everything up to its index. */
  rebase(snapshot: SnapshotMeta): void {
    const later = this.#versions.filter((version) => version.index > snapshot.index);
    const base = { index: snapshot.index, configuration: checkedConfiguration(snapshot.configuration) };
    this.#versions.splice(0, this.#versions.length, base, ...later);
  }
}
