import { constants } from 'node:os';
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts';

/** For a command that goes on until it is interrupted. */
export interface Interruption {
  /** Aborts at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** That of the last of these signals; before one came, that of a command that went well. */
  readonly exitCode: number;
}

export function listenForInterruption(): Interruption {
  const interrupted = new AbortController();
  let exitCode: number = exitCodes.ok.code;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      exitCode = exitCodeOfSignal(constants.signals[signal]);
      interrupted.abort();
    });
  }
  return {
    signal: interrupted.signal,
    get exitCode() {
      return exitCode;
    },
  };
}
