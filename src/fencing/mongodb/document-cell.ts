/** The commands behind a fenced document, each with what it must find in its filter. */
import type { Document } from 'mongodb';
import { ConclaveError } from '../../errors/index.ts';
import type { Cell, CellState, Fence } from '../fenced-cell.ts';
import { untilAborted } from '../until-aborted.ts';
import type { CheckedWriter } from '../writer.ts';
import type { DocumentCollection } from './collection.ts';
import { failure, isTaken, isWriteConflict } from './failures.ts';
import { decodeFence, mayWrite } from './fence-field.ts';

type State = CellState<Document>;

/** What is decided on comes from the primary, and is committed by a majority. */
const majority = { readConcern: { level: 'majority' }, readPreference: 'primary' };
const durably = { writeConcern: { w: 'majority' } };

export interface DocumentPlace {
  readonly id: unknown;
  readonly fenceField?: string | undefined;
}

export class DocumentCell implements Cell<Document, State> {
  readonly name: string;
  readonly #collection: DocumentCollection;
  readonly #id: unknown;
  readonly #field: string;

  constructor(collection: DocumentCollection, { id, fenceField }: DocumentPlace) {
    if (typeof collection?.replaceOne !== 'function') {
      throw new ConclaveError('invalid-argument', 'A collection of the driver mongodb is needed.');
    }
    if (id === undefined || id === null || Array.isArray(id) || id instanceof RegExp) {
      throw new ConclaveError('invalid-argument', 'The id of the document is missing, or can be none.');
    }
    const field = fenceField ?? 'fence';
    if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(field) || field === '_id') {
      throw new ConclaveError('invalid-argument', `${JSON.stringify(field)} cannot be the fence's field.`);
    }
    this.name = `Document ${typeof id === 'object' ? JSON.stringify(id) : String(id)} of ${collection.namespace}`;
    this.#collection = collection;
    this.#id = id;
    this.#field = field;
  }

  checkDocument(document: Document): Document {
    if (typeof document !== 'object' || document === null || Array.isArray(document)) {
      throw new ConclaveError('invalid-argument', 'The document must be an object.');
    }
    const { _id: _, ...own } = document;
    const wrong = Object.keys(own).find((key) => key === this.#field || key.startsWith('$'));
    if (wrong === undefined) return own;
    const message = `The document may not have the field ${JSON.stringify(wrong)}; for operators there is apply.`;
    throw new ConclaveError('invalid-argument', message);
  }

  checkOperators(operators: Document): void {
    const entries = typeof operators === 'object' && operators !== null ? Object.entries(operators) : [];
    if (Array.isArray(operators) || entries.length === 0 || entries.some(([key]) => !key.startsWith('$'))) {
      throw new ConclaveError('invalid-argument', 'Update operators are needed, as { $set: { … } }.');
    }
    for (const [operator, fields] of entries) {
      const targets =
        operator === '$rename' ? Object.entries(fields ?? {}).flat() : Object.keys(fields ?? {});
      const wrong = targets.find((path) => ['_id', this.#field].includes(String(path).split('.')[0] ?? ''));
      if (wrong === undefined) continue;
      const message = `${operator} may not change ${JSON.stringify(wrong)}: it belongs to the guard.`;
      throw new ConclaveError('invalid-argument', message);
    }
  }

  async load(signal: AbortSignal | undefined): Promise<State> {
    let found: Document | null;
    try {
      found = await untilAborted(this.#collection.findOne({ _id: this.#id }, majority), signal);
    } catch (error) {
      throw failure(`Reading ${this.name}`, error, 'read', signal);
    }
    const { _id: _, [this.#field]: fence, ...content } = found ?? {};
    return { exists: found !== null, fence: decodeFence(this.name, fence), content };
  }

  async swap(
    current: State,
    content: Document,
    fence: Fence,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const replacement = { ...content, [this.#field]: { ...fence } };
    const seen =
      current.fence === undefined
        ? { [this.#field]: { $exists: false } }
        : {
            [`${this.#field}.version`]: current.fence.version,
            [`${this.#field}.writeId`]: current.fence.writeId,
            ...mayWrite(this.#field, fence),
          };
    try {
      if (!current.exists) {
        const document = { ...replacement, _id: this.#id };
        await untilAborted(this.#collection.insertOne(document, durably), signal);
        return true;
      }
      const filter = { _id: this.#id, ...seen };
      const replaced = this.#collection.replaceOne(filter, replacement, durably);
      return (await untilAborted(replaced, signal)).matchedCount === 1;
    } catch (error) {
      if (isWriteConflict(error) || (!current.exists && isTaken(error))) return false;
      throw failure(`Writing ${this.name}`, error, 'write', signal);
    }
  }

  /** False: for certain nothing was written, since no document matched. */
  async apply(
    writer: CheckedWriter,
    writeId: string,
    operators: Document,
    options: { readonly adopt: boolean; readonly upsert: boolean; readonly signal: AbortSignal | undefined },
  ): Promise<boolean> {
    const { adopt, upsert, signal } = options;
    const allowed = [
      mayWrite(this.#field, writer),
      ...(adopt ? [{ [this.#field]: { $exists: false } }] : []),
    ];
    const { election, token } = writer;
    const update = {
      ...operators,
      $set: {
        ...operators.$set,
        ...(election !== '' && { [`${this.#field}.election`]: election }),
        [`${this.#field}.token`]: token,
        [`${this.#field}.writeId`]: writeId,
      },
      $inc: { ...operators.$inc, [`${this.#field}.version`]: 1 },
    };
    try {
      const filter = { _id: this.#id, $or: allowed };
      const updated = this.#collection.updateOne(filter, update, { upsert, ...durably });
      const { matchedCount, upsertedCount } = await untilAborted(updated, signal);
      return matchedCount + upsertedCount === 1;
    } catch (error) {
      if (isWriteConflict(error) || (upsert && isTaken(error))) return false;
      const failed = failure(`Writing ${this.name}`, error, 'write', signal);
      if (failed.outcome === 'unknown' && !signal?.aborted)
        return await this.#lookAgain(writer, writeId, failed);
      throw failed;
    }
  }

  /** The answer to `apply` was lost: the document tells, unless it has been written again since. */
  async #lookAgain(writer: CheckedWriter, writeId: string, failed: ConclaveError): Promise<true> {
    const { fence } = await this.load(undefined).catch((): never => {
      throw failed;
    });
    if (fence?.writeId === writeId) return true;
    if (fence === undefined || fence.token <= writer.token) throw failed;
    const message = `${this.name} was written again, by token ${fence.token}, before it could be read whether this write took effect: the leadership of token ${writer.token} is over.`;
    const details = { token: writer.token, highestToken: fence.token };
    throw new ConclaveError('stale-token', message, { outcome: 'unknown', cause: failed, details });
  }
}
