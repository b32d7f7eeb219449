/**
 * The guards of foreign servers in a life: their own code, against small servers that do what the real ones are
 * documented to do, over a wire that loses, delays and repeats.
 *
 * Guarantees: what a server did is told by the server, when it did it; a request is carried out in one step; SQLite is
 * the real one, and scripts run as they are written.
 *
 * Must not: know the guards' rules; accept a statement, an operator or a command that it would only guess.
 */
import type { GuardKind } from '../settings.ts';
import { DocumentStore } from './document-store.ts';
import type { GuardServer, ServerParts } from './guarded.ts';
import { KeyStore } from './key-store.ts';
import { ObjectStore } from './object-store.ts';
import { RequestServer } from './request-server.ts';
import { SqliteFile } from './sqlite-file.ts';
import { TableStore } from './table-store.ts';

export { type Guarded, type GuardServer, resource } from './guarded.ts';

export function guardServer(kind: GuardKind, parts: ServerParts): GuardServer {
  switch (kind) {
    case 'objects':
      return new ObjectStore(parts);
    case 'documents':
      return new DocumentStore(parts);
    case 'keys':
      return new KeyStore(parts);
    case 'postgres':
    case 'mysql':
      return new TableStore(parts, kind);
    case 'sqlite':
      return new SqliteFile(parts);
    case 'requests':
      return new RequestServer(parts);
  }
}
