/** The contracts between Conclave and the machine under it. Production and simulator implement the same ones. */

export interface Runtime {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly keyDerivation: KeyDerivation;
}

export interface Clock {
  /** Milliseconds of a clock that never goes back; its zero is arbitrary. Stands still while the host sleeps. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch by the wall clock, which may jump. */
  wallMs(): number;
}

export interface Timer {
  /** Idempotent; after it the callback does not run. */
  cancel(): void;
}

export interface Timers {
  /** Runs `callback` once, not before `delayMs` have passed. `background`: must not keep the process alive. */
  after(delayMs: number, callback: () => void, options?: { background?: boolean }): Timer;
  /** Runs `callback` in the next turn of the loop, after waiting sockets were read. */
  nextTurn(callback: () => void): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  unit(): number;
  /** Unpredictable bytes, for identities. */
  bytes(length: number): Uint8Array;
}

/** Every failure is a ConclaveError: 'disk-full', 'disk-failed', 'not-found', 'already-exists'. */
export interface Disk {
  /** Makes the folder and those above it; no error if it is there. `ownerOnly`: others on this host may not enter. */
  makeFolder(path: string, options?: { ownerOnly?: boolean }): Promise<void>;
  /** Names in the folder, sorted; 'not-found' where there is none. */
  list(path: string): Promise<string[]>;
  /** Whole file; 'not-found' where there is none. */
  read(path: string): Promise<Uint8Array>;
  /** Opens for reading and writing. */
  open(path: string, options?: OpenOptions): Promise<File>;
  rename(from: string, to: string): Promise<void>;
  /** Makes `to` a second name of `from`; 'already-exists' if `to` exists. Atomic: the primitive of exclusive publishing. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file; 'not-found' where there is none. */
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Makes creations, renames and removals in this folder durable. */
  syncFolder(path: string): Promise<void>;
  /** Takes an exclusive lock that dies with the process; 'data-locked' when another process holds it. */
  lock(path: string): Promise<AsyncDisposable>;
}

export interface OpenOptions {
  /** Makes it if absent. */
  readonly create?: boolean;
  /** Makes it, and fails with 'already-exists' if present. */
  readonly exclusive?: boolean;
  /** A file that is made is closed to other users of the host. */
  readonly ownerOnly?: boolean;
  /** Each write is durable when it resolves, as with `sync` after it, but in one call of the system. */
  readonly durableWrites?: boolean;
  /** For reading alone; needs no right to write. */
  readonly readOnly?: boolean;
  /** For `append`. `writeAt` is not for such a file. */
  readonly append?: boolean;
}

export interface File extends AsyncDisposable {
  size(): Promise<number>;
  /** Reads up to `length` bytes at `position`; shorter at the end of the file. */
  readAt(position: number, length: number): Promise<Uint8Array>;
  /** Writes all chunks, one after the other, at `position`, in one system call where possible. */
  writeAt(position: number, chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Writes `data` where the file ends at that instant, whoever else appends, in one system call (O_APPEND). Fails
   * where the system took less than all of it; what it took stays in the file.
   */
  append(data: Uint8Array): Promise<void>;
  /** Makes data (and the size) durable: fdatasync. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  /**
   * The file ends at `from`; now at `to`, and reads as zeros between. Unlike with `truncate` the system has found room for
   * them, so that writing there changes nothing but their content.
   */
  extend(from: number, to: number): Promise<void>;
  close(): Promise<void>;
}

export interface Network {
  /** Port 0 takes a free one. Fails with 'address-in-use' or 'invalid-argument'. */
  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener>;
  /** Resolves when connected; rejects with 'unavailable' (refused, unreachable, timed out). */
  connect(address: Address, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Connection>;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** By TLS, with what the network was made with. Default false. */
  readonly secure?: boolean;
}

export interface Listener extends AsyncDisposable {
  readonly address: Address;
  /** Stops accepting; does not touch connections already made. */
  close(): Promise<void>;
}

/**
 * Why a connection ended. `peer`: FIN or RST came from the other side, so its process closed it or died.
 * `local`: we closed it. `broken`: neither is known (timeout, network error).
 */
export type CloseCause = 'peer' | 'local' | 'broken';

/** A reliable ordered byte stream. Handlers are set once, before data is expected; chunks are the handler's to keep. */
export interface Connection {
  readonly remote: Address;
  onData: ((chunk: Uint8Array) => void) | undefined;
  /** Called once, after the last `onData`. */
  onClose: ((cause: CloseCause) => void) | undefined;
  /** Called when `bufferedBytes` has fallen to zero after a write. */
  onDrained: (() => void) | undefined;
  /** Queues the chunks; they must not be changed afterwards. */
  write(chunks: readonly Uint8Array[]): void;
  /** Bytes written and not yet taken by the operating system. */
  readonly bufferedBytes: number;
  /** Flushes, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** scrypt (RFC 7914): takes `128 * cost * blockSize` bytes of memory. `cost` is a power of two. */
export interface ScryptParameters {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  /** Of the result. */
  readonly bytes: number;
}

/** Makes keys of passwords, slowly on purpose. */
export interface KeyDerivation {
  scrypt(password: Uint8Array, salt: Uint8Array, parameters: ScryptParameters): Promise<Uint8Array>;
}
