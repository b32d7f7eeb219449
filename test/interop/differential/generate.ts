// Random conversations: few keys, so that requests meet; every option; now and then what makes no sense.
import fc from 'fast-check';
import type { Chosen, Later, Step } from './requests.ts';

type Request<Call extends Step['call']> = Extract<Step, { call: Call }>['request'];

const latin = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const textOf = (...words: string[]): fc.Arbitrary<Uint8Array> => fc.constantFrom(...words.map(latin));

const goodKey = textOf('a', 'ab', 'b', 'c', 'c\0', 'd', '\0', '\xff', '\xff\xff');
const key = fc.oneof({ weight: 40, arbitrary: goodKey }, { weight: 1, arbitrary: textOf('') });
/** Mostly ranges that hold something: from any key to a later one, to the end, of one key, or of nothing. */
const rangeEnd = textOf('', '', '', '', '\0', '\0', 'b', 'c', 'd', 'e', 'ac', '\xff');
const value = textOf('', '', '1', '2', '10', 'a', '\xff', 'longer');

const revision: fc.Arbitrary<number | Later> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 8, arbitrary: fc.record({ later: fc.integer({ min: -1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 1, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER) },
);
const ordinaryRevision: fc.Arbitrary<number | Later> = fc.oneof(
  { weight: 10, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.record({ later: fc.integer({ min: 0, max: 8 }) }) },
  { weight: 1, arbitrary: revision },
);
const boundRevision = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: revision });

const leaseIds = [11n, 12n, 13n, -14n, 2n ** 63n - 1n];
const lease: fc.Arbitrary<bigint | Chosen> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...leaseIds) },
  { weight: 2, arbitrary: fc.record({ chosen: fc.integer({ min: 0, max: 1 }) }) },
);
const noLeaseMostly = fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: lease });

const rarely = fc.integer({ min: 0, max: 7 }).map((drawn) => drawn === 7);
const sometimes = fc.integer({ min: 0, max: 2 }).map((drawn) => drawn === 2);

/** What a message has where nothing was drawn is protobuf's default: so few options meet in one request. */
const optional = <T extends object>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }, required: string[]) =>
  fc.record(fields, { requiredKeys: required as never, noNullPrototype: true });

const range = optional(
  {
    key,
    rangeEnd,
    limit: fc.constantFrom(0, 0, 1, 2, 3, -1, Number.MAX_SAFE_INTEGER),
    revision: ordinaryRevision,
    // 9: an order that nobody knows. A target that nobody knows ends etcd itself.
    sortOrder: fc.constantFrom(0, 1, 2, 9),
    sortTarget: fc.constantFrom(0, 1, 2, 3, 4),
    serializable: rarely,
    keysOnly: rarely,
    countOnly: rarely,
    minModRevision: boundRevision,
    maxModRevision: boundRevision,
    minCreateRevision: boundRevision,
    maxCreateRevision: boundRevision,
  },
  ['key', 'rangeEnd'],
) as fc.Arbitrary<Request<'range'>>;

const put = optional(
  {
    key,
    value,
    lease: noLeaseMostly,
    prevKv: sometimes,
    ignoreValue: rarely,
    ignoreLease: rarely,
  },
  ['key', 'value'],
) as fc.Arbitrary<Request<'put'>>;

const deleteRange = optional({ key, rangeEnd, prevKv: sometimes }, ['key', 'rangeEnd']) as fc.Arbitrary<
  Request<'deleteRange'>
>;

const number = fc.constantFrom(0, 0, 1, 2, 3, -1);
const targetUnion = fc.oneof(
  fc.constant(undefined),
  fc.record({ $case: fc.constant('version' as const), value: number }),
  fc.record({ $case: fc.constant('createRevision' as const), value: revision }),
  fc.record({ $case: fc.constant('modRevision' as const), value: revision }),
  fc.record({ $case: fc.constant('value' as const), value }),
  fc.record({ $case: fc.constant('lease' as const), value: noLeaseMostly }),
);
const targetOf = { version: 0, createRevision: 1, modRevision: 2, value: 3, lease: 4 } as const;
/** The target that goes with the union, but for a few. */
const compare = fc
  .record({
    key,
    rangeEnd,
    result: fc.constantFrom(0, 0, 1, 2, 3, 9),
    targetUnion,
    other: fc.option(fc.constantFrom(0, 1, 2, 3, 4, 9), { freq: 12 }),
  })
  .map(({ other, ...rest }) => ({
    ...rest,
    target: other ?? (rest.targetUnion === undefined ? 0 : targetOf[rest.targetUnion.$case]),
  }));

const writeOrRead = fc.oneof(
  { weight: 4, arbitrary: fc.record({ $case: fc.constant('requestPut' as const), value: put }) },
  { weight: 2, arbitrary: fc.record({ $case: fc.constant('requestRange' as const), value: range }) },
  {
    weight: 2,
    arbitrary: fc.record({ $case: fc.constant('requestDeleteRange' as const), value: deleteRange }),
  },
);

function txnOf(depth: number): fc.Arbitrary<object> {
  const inner = depth === 0 ? fc.constant({}) : txnOf(depth - 1);
  const deeper = fc.record({ $case: fc.constant('requestTxn' as const), value: inner });
  const request = fc.oneof(
    { weight: 24, arbitrary: writeOrRead },
    { weight: depth === 0 ? 1 : 8, arbitrary: deeper },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
  const operations = fc.array(fc.record({ request }), { maxLength: 4 });
  return fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: operations,
    failure: operations,
  });
}

/**
 * Around the limit of 128 operations, in one transaction or two. They change nothing: among many keys that are equal
 * in what a range sorts by, etcd's order is chance.
 */
const longTxn = fc
  .record({ outer: fc.constantFrom(1, 63, 127, 128, 129), inner: fc.constantFrom(0, 1, 64, 127, 128) })
  .map(({ outer, inner }) => {
    const operations = (count: number, name: string) =>
      Array.from({ length: count }, (_, at) => ({
        request: { $case: 'requestDeleteRange' as const, value: { key: latin(`${name}${at}`) } },
      }));
    const value = { success: operations(inner, 'in'), compare: [], failure: [] };
    const nested = { request: { $case: 'requestTxn' as const, value } };
    return { compare: [], failure: [], success: [...operations(outer - 1, 'out'), nested] };
  });

const txn = fc.oneof(
  { weight: 60, arbitrary: txnOf(2).map(thatEtcdSurvives) },
  { weight: 1, arbitrary: longTxn },
) as fc.Arbitrary<Request<'txn'>>;

/**
 * A transaction that deletes a key and then puts it with its old value ends etcd's process, where the check for
 * duplicate keys does not see it. So a transaction that deletes keeps nobody's old value or lease here.
 */
function thatEtcdSurvives(request: object): object {
  if (!holdsDelete(request)) return request;
  const without = (part: unknown): unknown => {
    if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return part;
    if (Array.isArray(part)) return part.map(without);
    const kept = Object.entries(part).filter(([name]) => name !== 'ignoreValue' && name !== 'ignoreLease');
    return Object.fromEntries(kept.map(([name, inner]) => [name, without(inner)]));
  };
  return without(request) as object;
}

function holdsDelete(part: unknown): boolean {
  if (part === 'requestDeleteRange') return true;
  if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return false;
  return Object.values(part).some(holdsDelete);
}

/** Leases that outlive any sequence, each with a time of its own, which is the order in which they are listed. */
const grant = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...leaseIds.map((ID, at) => ({ ID, TTL: 1000 * (at + 1) }))) },
  { weight: 2, arbitrary: fc.constant({ ID: 0n, TTL: 50_000 }) },
  { weight: 1, arbitrary: fc.record({ ID: fc.constantFrom(0n, 21n), TTL: fc.constantFrom(0, -1, 1, 2) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ID: fc.constantFrom(0n, 22n),
      TTL: fc.constantFrom(9_000_000_000, 9_000_000_001, Number.MAX_SAFE_INTEGER),
    }),
  },
);

const watch = optional(
  {
    key: fc.oneof({ weight: 3, arbitrary: key }, { weight: 1, arbitrary: fc.constant(latin('\0')) }),
    rangeEnd,
    startRevision: revision,
    prevKv: sometimes,
    progressNotify: rarely,
    fragment: rarely,
    filters: fc.array(fc.constantFrom(0, 1, 0, 1, 7), { maxLength: 2 }),
    watchId: fc.constantFrom(0, 0, 0, 1, 2, 5, -1, -3, Number.MAX_SAFE_INTEGER),
  },
  ['key', 'rangeEnd'],
) as fc.Arbitrary<Request<'watch'>>;

const step = <Call extends Step['call']>(call: Call, request: fc.Arbitrary<Request<Call>>) =>
  request.map((drawn) => ({ call, request: drawn }) as unknown as Step);

const nothing = fc.constant({});
const keyspaceSteps = [
  { weight: 8, arbitrary: step('put', put) },
  { weight: 5, arbitrary: step('range', range) },
  { weight: 2, arbitrary: step('deleteRange', deleteRange) },
  { weight: 8, arbitrary: step('txn', txn) },
  {
    weight: 1,
    arbitrary: step(
      'compact',
      fc.record({ revision, physical: fc.boolean() }) as fc.Arbitrary<Request<'compact'>>,
    ),
  },
];
const leaseSteps = [
  { weight: 3, arbitrary: step('leaseGrant', grant) },
  { weight: 1, arbitrary: step('leaseRevoke', fc.record({ ID: noLeaseMostly.chain(() => lease) })) },
  { weight: 1, arbitrary: step('leaseTimeToLive', fc.record({ ID: lease, keys: fc.boolean() })) },
  { weight: 1, arbitrary: step('leaseLeases', nothing) },
  { weight: 1, arbitrary: step('keepAlive', fc.record({ ID: lease })) },
];
const watchSteps = [
  { weight: 8, arbitrary: step('watch', watch) },
  {
    weight: 2,
    arbitrary: step('cancel', fc.record({ watchId: fc.constantFrom(0, 1, 2, 3, 5, -1, -3) })),
  },
  { weight: 1, arbitrary: step('progress', nothing) },
];

/** Requests that have one answer each. */
export const sequenceOfCalls = fc.array(fc.oneof(...keyspaceSteps, ...leaseSteps), {
  minLength: 1,
  maxLength: 30,
  size: 'max',
});
/** The same with watches between them. */
export const sequenceWithWatches = fc.array(
  fc.oneof(...keyspaceSteps, ...leaseSteps, ...watchSteps, ...watchSteps),
  {
    minLength: 1,
    maxLength: 40,
    size: 'max',
  },
);
