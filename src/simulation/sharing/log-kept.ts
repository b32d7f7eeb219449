import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { SeenRecord, SharingReports, SharingWitness } from './reports.ts';

interface KnownLog {
  /** What was acknowledged or shown to a reader, by sequence. */
  readonly records: Map<number, SeenRecord>;
  readonly texts: Map<string, number>;
  /** A record behind this one may not carry a lower token. */
  readonly claims: Map<number, number>;
}

class LogKept implements Checker, SharingWitness {
  readonly name = 'log-kept';
  readonly claim =
    'A record of the fenced log that was acknowledged or shown to a reader stays where it is, whole and once, also when the power fails; every later read shows what was acknowledged before it; no record carries a token below that of one before it, or of a claim before it.';
  readonly #reports: SharingReports;
  readonly #logs = new Map<string, KnownLog>();

  constructor(reports: SharingReports) {
    this.#reports = reports;
    reports.subscribe(this);
  }

  appended(path: string, record: SeenRecord): void {
    this.#see(path, record, 'was acknowledged');
  }

  logClaimed(path: string, sequence: number, token: number): void {
    const { claims, records } = this.#log(path);
    claims.set(sequence, Math.max(token, claims.get(sequence) ?? -1));
    for (const record of records.values()) this.#checkClaims(path, record);
  }

  logRead(path: string, reader: string, seen: readonly SeenRecord[], acknowledged: number): void {
    let before: SeenRecord = { sequence: 0, token: -1, text: '' };
    for (const record of seen) {
      if (record.sequence !== before.sequence + 1)
        violated(
          this,
          `${reader} read record ${record.sequence} of ${path} after record ${before.sequence}.`,
        );
      if (record.token < before.token)
        violated(
          this,
          `Record ${record.sequence} of ${path} carries token ${record.token}, that before it ${before.token}: a stale append counts.`,
        );
      this.#see(path, record, `was shown to ${reader}`);
      before = record;
    }
    if (before.sequence < acknowledged)
      violated(
        this,
        `${reader} read ${path} up to record ${before.sequence} after record ${acknowledged} was acknowledged.`,
      );
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }

  #see(path: string, record: SeenRecord, how: string): void {
    const { records, texts } = this.#log(path);
    const { sequence, token, text } = record;
    const known = records.get(sequence);
    if (known !== undefined) {
      if (known.text === text && known.token === token) return;
      violated(
        this,
        `Record ${sequence} of ${path} ${how} as ${text} with token ${token}; before, it was ${known.text} with token ${known.token}.`,
      );
    }
    const other = texts.get(text);
    if (other !== undefined)
      violated(this, `${text} is in ${path} twice: as record ${other} and as record ${sequence}.`);
    records.set(sequence, record);
    texts.set(text, sequence);
    this.#checkNeighbours(path, record);
    this.#checkClaims(path, record);
  }

  #checkNeighbours(path: string, { sequence, token }: SeenRecord): void {
    const { records } = this.#log(path);
    const before = records.get(sequence - 1);
    const after = records.get(sequence + 1);
    if ((before?.token ?? -1) <= token && token <= (after?.token ?? Number.POSITIVE_INFINITY)) return;
    violated(
      this,
      `Record ${sequence} of ${path} carries token ${token}, between ${before?.token ?? 'none'} and ${after?.token ?? 'none'}.`,
    );
  }

  #checkClaims(path: string, { sequence, token }: SeenRecord): void {
    for (const [last, claimed] of this.#log(path).claims) {
      if (sequence > last && token < claimed)
        violated(
          this,
          `Record ${sequence} of ${path} carries token ${token}, though token ${claimed} had claimed it after record ${last}.`,
        );
    }
  }

  #log(path: string): KnownLog {
    const log = this.#logs.get(path) ?? { records: new Map(), texts: new Map(), claims: new Map() };
    this.#logs.set(path, log);
    return log;
  }
}

export function logKeptChecker(reports: SharingReports): CheckerFactory {
  return () => new LogKept(reports);
}
