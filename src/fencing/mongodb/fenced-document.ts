/** A document that only the newest leader can write. */
import type { Document } from 'mongodb';
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { type CellState, type Fence, FencedCell } from '../fenced-cell.ts';
import {
  type CheckedWriter,
  checkFunction,
  checkLeadership,
  checkObject,
  checkToken,
  type FencedLeadership,
} from '../writer.ts';
import type { DocumentCollection } from './collection.ts';
import { DocumentCell } from './document-cell.ts';

type State = CellState<Document>;

export interface FencedDocumentOptions {
  /** The document's `_id`. */
  readonly id: unknown;
  /** The field in which the guard keeps token, election and version; default 'fence'. */
  readonly fenceField?: string | undefined;
  /** Take a document that was not written through this guard, as if written with token 0. Default false: refuse. */
  readonly adopt?: boolean | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface DocumentVersion {
  /** False: there is no such document; then the version is 0. */
  readonly exists: boolean;
  /** 1 for the first write through the guard; 0: never written through it. */
  readonly version: number;
  /** The token that it was written with. */
  readonly token: number;
  /** The election that the token is from; '' where none was named. */
  readonly election: string;
  /** Without `_id` and without the fence. */
  readonly document: Document;
}

export interface DocumentCallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface DocumentWriteOptions extends DocumentCallOptions {
  /** Refuse ('version-conflict') unless this is the version that is replaced. Default: replace whatever is there. */
  readonly expectedVersion?: number | undefined;
}

export interface DocumentApplyOptions extends DocumentCallOptions {
  /** Make the document where there is none; default true. False: 'not-found'. */
  readonly upsert?: boolean | undefined;
}

export interface DocumentWritten {
  readonly version: number;
  readonly token: number;
}

/**
 * Opens the document with this `_id`, which need not exist. Token, election and version stand in a field of it, and
 * every write has them in its filter, with write concern majority.
 *
 * Guarantees: of several writes that saw one version, one succeeds; a token lower than one that wrote is refused,
 * whatever clocks and pauses do; an answer that was lost is read again. This holds on a replica set with its defaults
 * (majority writes are journaled), on a sharded cluster, and on a single server until its disk is lost.
 *
 * A token counts as seen when it wrote: `claim`, `update` or `apply` shuts older leaders out first.
 *
 * Not protected: a document that is deleted (its highest token goes with it), or written by a program without this
 * guard; other documents: for those `fenced` runs a transaction.
 */
export function fencedDocument(
  collection: DocumentCollection,
  options: FencedDocumentOptions,
): FencedDocument {
  checkObject('A fenced document needs options: { id }', options);
  return new FencedDocument(collection, options);
}

export class FencedDocument {
  readonly #cell: FencedCell<Document, State>;
  readonly #document: DocumentCell;
  readonly #runtime: Runtime;
  readonly #adopt: boolean;

  /** @internal use `fencedDocument` */
  constructor(collection: DocumentCollection, options: FencedDocumentOptions) {
    this.#document = new DocumentCell(collection, options);
    this.#runtime = options.runtime ?? nodeRuntime();
    this.#adopt = options.adopt ?? false;
    this.#cell = new FencedCell(this.#document, { adopt: this.#adopt, runtime: this.#runtime });
  }

  /**
   * What a majority has now.
   * @throws 'data-damaged' (the fence); 'unavailable', 'timeout', 'aborted', 'failed-precondition' (the server
   * refuses).
   */
  async read(options: DocumentCallOptions = {}): Promise<DocumentVersion> {
    return publicVersion(await this.#document.load(options.signal));
  }

  /**
   * Replaces the document, whatever it holds.
   * @throws 'stale-token': a newer leader has written; 'version-conflict': only with `expectedVersion`;
   * 'not-leading' from `assertHeld()`, which is checked although safety does not depend on it; 'failed-precondition':
   * guarded by another election, not written through this guard, deleted meanwhile, or refused by the server;
   * 'already-exists': a unique index refuses it; and as `read`. Outcome 'unknown' when no certain answer came:
   * `read` tells.
   */
  async write(
    leadership: FencedLeadership,
    document: Document,
    options: DocumentWriteOptions = {},
  ): Promise<DocumentWritten> {
    const own = this.#document.checkDocument(document);
    return written(await this.#cell.write(leadership, () => own, options));
  }

  /**
   * Writes the present document under this leadership's token, so that from here on every older leader is refused,
   * even before the first real write. A document that does not exist is made, empty. Nothing happens where it has
   * this token already.
   * @throws as `write`, but never 'version-conflict'.
   */
  async claim(leadership: FencedLeadership, options: DocumentCallOptions = {}): Promise<DocumentVersion> {
    return publicVersion(await this.#cell.claim(leadership, options.signal));
  }

  /**
   * Claims the document, then replaces it by what `change` makes of it; calls `change` again when another write of
   * this same leadership came between.
   * @throws as `claim`, and what `change` throws.
   */
  async update(
    leadership: FencedLeadership,
    change: (current: DocumentVersion) => Document | Promise<Document>,
    options: DocumentCallOptions = {},
  ): Promise<DocumentWritten> {
    checkFunction('The change of an update', change);
    const next = async (current: State) => this.#document.checkDocument(await change(publicVersion(current)));
    return written(await this.#cell.update(leadership, next, options.signal));
  }

  /**
   * Applies MongoDB's update operators (`$set`, `$inc`, `$push` and so on) in one command, with the token in its
   * filter: no reading before, and no conflict between writes of one leadership.
   * @throws as `write`, but never 'version-conflict'; 'not-found' with `upsert: false`.
   */
  async apply(
    leadership: FencedLeadership,
    operators: Document,
    options: DocumentApplyOptions = {},
  ): Promise<void> {
    this.#document.checkOperators(operators);
    const { signal, upsert = true } = options;
    const writer = checkLeadership(leadership);
    const writeId = Buffer.from(this.#runtime.random.bytes(16)).toString('hex');
    for (let attempt = 0; ; attempt += 1) {
      if (signal?.aborted) throw ConclaveError.aborted(`The write of ${this.#document.name}`, signal);
      writer.assertHeld();
      const applied = await this.#document.apply(writer, writeId, operators, {
        adopt: this.#adopt,
        upsert,
        signal,
      });
      if (applied) return;
      const state = await this.#document.load(signal);
      this.#checkRefusal(writer, state, upsert);
      await sleep(this.#runtime, backoffMs(this.#runtime.random, attempt, 5, 500));
    }
  }

  /** Throws where that is why nothing matched; otherwise another write came between. */
  #checkRefusal(writer: CheckedWriter, { exists, fence }: State, upsert: boolean): void {
    const { name } = this.#document;
    if (fence !== undefined) checkToken(name, writer, fence);
    else if (exists && !this.#adopt) {
      const message = `${name} exists and was not written through this guard, so who may write it is unknown. Take it over with the option adopt, once no other program writes it.`;
      throw new ConclaveError('failed-precondition', message);
    } else if (!exists && !upsert) {
      throw new ConclaveError('not-found', `${name} does not exist, and upsert is false.`);
    }
  }
}

function publicVersion({ exists, fence, content }: State): DocumentVersion {
  const { version, token, election } = fence ?? { version: 0, token: 0, election: '' };
  return { exists, version, token, election, document: content };
}

function written({ version, token }: Fence): DocumentWritten {
  return { version, token };
}
