import type { ConclaveError } from '../../errors/index.ts';
import { diskError } from '../disk-errors.ts';

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'sync-folder'
  | 'rename'
  | 'remove'
  | 'truncate';

export interface FailureOptions {
  /** Default 'disk-failed' (EIO). A failed sync loses what it should have made durable, as Linux does. */
  readonly code?: 'disk-failed' | 'disk-full';
  /** How many such operations succeed first. Default 0. */
  readonly after?: number;
  /** Only operations on paths that contain this. */
  readonly path?: string;
  /** Default false: only one operation fails. */
  readonly always?: boolean;
}

interface Failure {
  readonly operation: DiskOperation;
  readonly options: FailureOptions;
  left: number;
}

/** The operations that are to fail. */
export class Failures {
  #waiting: Failure[] = [];

  add(operation: DiskOperation, options: FailureOptions): void {
    this.#waiting.push({ operation, options, left: options.after ?? 0 });
  }

  /** The error that this operation, now, is to fail with. */
  of(operation: DiskOperation | 'other', path: string): unknown {
    for (const failure of this.#waiting) {
      if (failure.operation !== operation || !path.includes(failure.options.path ?? '')) continue;
      if (failure.left > 0) {
        failure.left -= 1;
        continue;
      }
      if (!failure.options.always) this.#waiting = this.#waiting.filter((other) => other !== failure);
      return failure.options.code === 'disk-full' ? diskFull(operation, path) : diskBroken(operation, path);
    }
    return undefined;
  }
}

export function diskFull(action: string, path: string): ConclaveError {
  return diskError(action, path, Object.assign(new Error('no space'), { code: 'ENOSPC' }), 'unknown');
}

function diskBroken(action: string, path: string): ConclaveError {
  return diskError(action, path, Object.assign(new Error('i/o error'), { code: 'EIO' }), 'unknown');
}
