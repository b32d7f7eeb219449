/**
 * Any service that can replace a small text only while it is what was read, as a lease store.
 *
 * Guarantees: whatever drivers there are, one engine keeps sessions, queues, hand-offs, tokens and the care for lost
 * answers and late requests; an election is one document and changes by compare-and-swap alone; a session is one
 * document, renewed by one write however many elections hang on it, and over for good before anybody takes what it led.
 *
 * Must not: know any service, trust a wall clock of this machine, or hold anything that is not in the documents.
 */

export { checkNames as checkOptions } from '../../errors/option-names.ts';
export type {
  Bond,
  Bonds,
  CallBounds,
  DocumentChange,
  DocumentDriver,
  DocumentKey,
  DocumentTraits,
  DocumentWrite,
  FoundDocument,
  Led,
  Renewal,
  StoredDocument,
} from './driver.ts';
export { foreignOnly, foundOrForeign } from './driver.ts';
export { type DocumentStoreOptions, documentStore, documentStoreOptionNames } from './store.ts';
