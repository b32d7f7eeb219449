/** What the guards need of a collection; `Collection` of the driver `mongodb` fulfils it, whatever its schema. */
import type { Document } from 'mongodb';

export interface DocumentCollection {
  readonly namespace: string;
  findOne(filter: Document, options?: Document): Promise<Document | null>;
  insertOne(document: Document, options?: Document): Promise<unknown>;
  replaceOne(
    filter: Document,
    replacement: Document,
    options?: Document,
  ): Promise<{ readonly matchedCount: number }>;
  updateOne(
    filter: Document,
    update: Document,
    options?: Document,
  ): Promise<{ readonly matchedCount: number; readonly upsertedCount: number }>;
}
