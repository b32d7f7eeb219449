/**
 * Documents of MongoDB that refuse a leader whose time is over.
 *
 * Guarantees: a document, or what a fenced transaction writes, is never written with a token below the highest that
 * has written it; what counts is what a majority has.
 *
 * Must not: write without the token in the filter or in the same transaction; guess an answer that was lost.
 */
export type { DocumentCollection } from './collection.ts';
export {
  type DocumentApplyOptions,
  type DocumentCallOptions,
  type DocumentVersion,
  type DocumentWriteOptions,
  type DocumentWritten,
  FencedDocument,
  type FencedDocumentOptions,
  fencedDocument,
} from './fenced-document.ts';
export { type FencedTransactionOptions, fenced } from './fenced-transaction.ts';
