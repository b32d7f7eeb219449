import { type AnyMethod, services } from '../../wire/index.ts';
import { CallCounts } from '../call-counts.ts';
import type { GrpcMethods } from '../grpc-server.ts';
import type { Page, PageAnswer, Pages } from '../http/pages.ts';
import type { RpcContext, RpcMethod } from '../http2/index.ts';
import { shapeOf } from '../shape.ts';
import type { CallConnection, CallContext, Registry, ServedMethod } from '../types.ts';
import { Caller, type CoreCalls, type FrontEndConnection } from './core-calls.ts';

/** Every method and page of the member, as a front end serves them: by handing messages over as they are. */
export interface HandedMethods {
  readonly grpc: GrpcMethods;
  /** For the JSON gateway. */
  readonly registry: Registry;
  readonly pages: Pages;
  /** By methods. */
  readonly calls: readonly CallCounts[];
}

const same = (message: unknown): Uint8Array => message as Uint8Array;

export function handedMethods(
  core: CoreCalls,
  { methods, pages }: { readonly methods: readonly string[]; readonly pages: readonly string[] },
): HandedMethods {
  const known = new Map<string, AnyMethod>();
  for (const service of Object.values(services)) {
    for (const method of Object.values(service as Record<string, AnyMethod>)) known.set(method.path, method);
  }
  const handed = methods.map((path, number) => {
    const descriptor = known.get(path);
    if (descriptor === undefined) throw new RangeError(`there is no method ${path}`);
    return handedMethod(core, number, descriptor);
  });
  return {
    grpc: new Map(handed.map(({ rpc }, at) => [methods[at] as string, rpc])),
    registry: new Map(handed.map(({ served }, at) => [methods[at] as string, served])),
    pages: new Map(pages.map((path, at) => [path, handedPage(core, methods.length + at)])),
    calls: handed.map(({ served }) => served.calls),
  };
}

function handedMethod(
  core: CoreCalls,
  number: number,
  descriptor: AnyMethod,
): { rpc: RpcMethod<CallConnection>; served: ServedMethod } {
  const common = { calls: new CallCounts(), decode: same, encode: same };
  const shape = shapeOf(descriptor);
  const rpc = {
    ...{ ...common, shape },
    handler:
      shape === 'unary'
        ? (request: unknown, context: Rpc) => core.unary(number, same(request), callerOf(core, context))
        : (requests: unknown, context: Rpc) =>
            core.stream(number, requests as Uint8Array, callerOf(core, context)),
  };
  const served = {
    ...{ ...common, shape, descriptor },
    handler:
      shape === 'unary'
        ? (request: unknown, context: CallContext) =>
            withSignal(core, context, (caller) => core.unary(number, same(request), caller))
        : (requests: unknown, context: CallContext) =>
            withSignal(core, context, (caller) => core.stream(number, requests as Uint8Array, caller)),
  };
  return { rpc: rpc as RpcMethod<CallConnection>, served: served as unknown as ServedMethod };
}

type Rpc = RpcContext<CallConnection>;

function callerOf(core: CoreCalls, context: Rpc): Caller {
  const token = context.header('token') ?? context.header('authorization');
  const requiresLeader = context.header('hasleader') === 'true';
  const connection = context.connection as FrontEndConnection;
  const caller = new Caller(connection, context.deadlineMs, token, requiresLeader);
  context.onAborted = (cause) => core.cancel(caller.id, cause);
  return caller;
}

function withSignal<Answer>(core: CoreCalls, context: CallContext, call: (caller: Caller) => Answer): Answer {
  const { deadlineMs, token, signal, requiresLeader = false } = context;
  const connection = context.connection as FrontEndConnection;
  const caller = new Caller(connection, deadlineMs, token, requiresLeader);
  const answer = call(caller);
  const cancel = (): void => core.cancel(caller.id, signal.reason);
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  return answer;
}

/** Pages belong to no connection that the core would have to know. */
const ownConnection: FrontEndConnection = {
  ...{ id: 0, told: false, remote: 'this process', commonName: undefined, endedBy: undefined },
  ended: new Promise(() => {}),
};

function handedPage(core: CoreCalls, number: number): Page {
  return async (query) => {
    const caller = new Caller(ownConnection, undefined, undefined, false);
    const answer = await core.unary(number, Buffer.from(query), caller);
    return JSON.parse(Buffer.from(answer).toString()) as PageAnswer;
  };
}
