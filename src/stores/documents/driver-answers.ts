/**
 * What drivers answer is looked at as well: one that gives a number for a version, or null for nothing, is told so by its
 * first call, and not found out by waiting for what never comes.
 */
import { ConclaveError } from '../../errors/index.ts';
import { shown } from '../../errors/option-names.ts';
import type { FoundDocument, StoredDocument } from './driver.ts';

export class DriverAnswers {
  readonly #description: string;

  constructor(description: string) {
    this.#description = description;
  }

  read(answer: unknown): StoredDocument | undefined {
    const wrong = wrongDocument(answer);
    if (wrong !== undefined) throw this.#wrong('read', wrong, 'not-applied');
    return answer as StoredDocument | undefined;
  }

  readMany(answer: unknown, asked: number): readonly FoundDocument[] {
    const all = this.#list('readMany', answer, asked, 'not-applied');
    for (const one of all) {
      const wrong = ConclaveError.is(one) ? undefined : wrongDocument(one);
      if (wrong !== undefined) throw this.#wrong('readMany', wrong, 'not-applied');
    }
    return all as readonly FoundDocument[];
  }

  write(answer: unknown): string | undefined {
    const wrong = wrongVersion(answer);
    if (wrong !== undefined) throw this.#wrong('write', wrong, 'unknown');
    return answer as string | undefined;
  }

  renewMany(answer: unknown, asked: number): readonly (string | undefined)[] {
    const all = this.#list('renewMany', answer, asked, 'unknown');
    for (const one of all) {
      const wrong = wrongVersion(one);
      if (wrong !== undefined) throw this.#wrong('renewMany', wrong, 'unknown');
    }
    return all as readonly (string | undefined)[];
  }

  remove(answer: unknown): boolean {
    if (typeof answer === 'boolean') return answer;
    throw this.#wrong('remove', `true or false, not ${shown(answer)}`, 'unknown');
  }

  list(answer: unknown): readonly string[] {
    if (Array.isArray(answer) && answer.every((name) => typeof name === 'string')) return answer;
    throw this.#wrong('list', `an array of texts, not ${shown(answer)}`, 'not-applied');
  }

  #list(what: string, answer: unknown, asked: number, outcome: 'not-applied' | 'unknown'): unknown[] {
    if (Array.isArray(answer) && answer.length === asked) return answer;
    const given = Array.isArray(answer) ? `one of ${answer.length}` : shown(answer);
    throw this.#wrong(what, `an array of ${asked}, one for each that was asked, not ${given}`, outcome);
  }

  #wrong(what: string, wanted: string, outcome: 'not-applied' | 'unknown'): ConclaveError {
    const message = `The driver of ${this.#description}: ${what} must give ${wanted}.`;
    return new ConclaveError('invalid-argument', message, { outcome });
  }
}

function wrongVersion(answer: unknown): string | undefined {
  if (answer === undefined || (typeof answer === 'string' && answer !== '')) return undefined;
  return `the version as a text that is not empty, or undefined, not ${shown(answer)}`;
}

function wrongDocument(answer: unknown): string | undefined {
  if (answer === undefined) return undefined;
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer))
    return `a document or undefined, not ${shown(answer)}`;
  const { text, version, leftMs } = answer as Record<keyof StoredDocument, unknown>;
  if (typeof text !== 'string') return `a document whose text is a text, not ${shown(text)}`;
  if (typeof version !== 'string' || version === '')
    return `a document whose version is a text that is not empty, not ${shown(version)}`;
  if (leftMs === undefined || (typeof leftMs === 'number' && !Number.isNaN(leftMs))) return undefined;
  return `a document whose leftMs is a number or undefined, not ${shown(leftMs)}`;
}
