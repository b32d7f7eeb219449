import type { PartBounds, RangeResult } from '../keyspace/types.ts';
import type { Timers } from '../runtime/types.ts';
import { type KeyValue, RangeResponse, type ResponseHeader, services } from '../wire/index.ts';
import { rangeResponse } from './convert.ts';
import { Places } from './places.ts';
import { TurnQueue } from './turn-queue.ts';

/** What is copied out of the store and encoded in one turn of the loop: some milliseconds. */
const keyValuesAtOnce = 500;
const bytesAtOnce = 256 * 1024;
export const partOfRange: PartBounds = { keyValues: keyValuesAtOnce, bytes: bytesAtOnce };
/** Bytes of parts that are put together in one turn. */
const joinedAtOnce = 1024 * 1024;
/** An answer of more is long. */
const middleKeyValues = 10_000;
/** Answers in the making at one time. Others wait, hold nothing meanwhile, and read what is there when it is their turn. */
const longAtOnce = 4;
const middleAtOnce = 16;

/** What was read in one turn, and the header that tells when. */
export interface ReadRange {
  readonly result: RangeResult;
  readonly header: ResponseHeader;
}

/** An answer that was encoded as it was read. */
class EncodedRange implements RangeResponse {
  readonly header: ResponseHeader;
  readonly more: boolean;
  readonly count: number;
  readonly encoded: Uint8Array;

  constructor(header: ResponseHeader, { more, count }: RangeResult, encoded: Uint8Array) {
    this.header = header;
    this.more = more;
    this.count = count;
    this.encoded = encoded;
  }

  get kvs(): KeyValue[] {
    return RangeResponse.decode(this.encoded).kvs;
  }
}

/**
 * Answers to ranges of many key-values, which would hold up the loop for seconds: they are read and encoded in many turns of
 * it, all at the revision of the first. All of a member's share what is done in one turn, first come first.
 */
export class LargeRanges {
  readonly #turns: TurnQueue;
  readonly #long = new Places(longAtOnce);
  readonly #middle = new Places(middleAtOnce);

  constructor(timers: Timers) {
    this.#turns = new TurnQueue(timers, 1);
  }

  /** `found` has a rest. Where it must wait it lets that go, and reads `again`. @throws the signal's reason */
  async answer(
    found: ReadRange,
    again: () => Promise<ReadRange>,
    signal: AbortSignal,
  ): Promise<RangeResponse> {
    const size = found.result.rest?.size ?? 0;
    const places = size > middleKeyValues ? this.#long : this.#middle;
    if (places.tryTake()) return await this.#make(found, signal, places);
    found.result.rest?.close();
    await places.take(signal);
    let anew: ReadRange;
    try {
      anew = await again();
    } catch (error) {
      places.release();
      throw error;
    }
    return await this.#make(anew, signal, places);
  }

  async #make({ result, header }: ReadRange, signal: AbortSignal, places: Places): Promise<RangeResponse> {
    try {
      if (result.rest === undefined) return rangeResponse(result, header);
      return new EncodedRange(header, result, await this.#encoded(result, header, signal));
    } finally {
      result.rest?.close();
      places.release();
    }
  }

  async #encoded(
    { kvs, rest, more, count }: RangeResult,
    header: ResponseHeader,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    // Messages that follow each other are one with the fields of all.
    const parts = [encoded({ header, kvs: kvs as KeyValue[], more: false, count: 0 })];
    for (;;) {
      await this.#turn(signal);
      const part = rest?.next() ?? [];
      if (part.length === 0) break;
      parts.push(encoded({ header: undefined, kvs: part as KeyValue[], more: false, count: 0 }));
    }
    parts.push(encoded({ header: undefined, kvs: [], more, count }));
    return this.#joined(parts, signal);
  }

  async #joined(parts: Uint8Array[], signal: AbortSignal): Promise<Uint8Array> {
    const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    let untilTurn = joinedAtOnce;
    for (const [number, part] of parts.entries()) {
      whole.set(part, at);
      parts[number] = none;
      at += part.length;
      untilTurn -= part.length;
      if (untilTurn > 0) continue;
      untilTurn = joinedAtOnce;
      await this.#turn(signal);
    }
    return whole;
  }

  /** Resolves in a later turn of the loop, in which nobody else goes on. */
  async #turn(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => this.#turns.wait(resolve));
    signal.throwIfAborted();
  }
}

const none = new Uint8Array(0);

function encoded(response: RangeResponse): Uint8Array {
  return RangeResponse.encode(response).finish();
}

/** As it is sent. */
export function encodeRangeResponse(response: RangeResponse): Uint8Array {
  return response instanceof EncodedRange ? response.encoded : services.KV.range.encodeResponse(response);
}
