import { type AnyMethod, services } from '../../wire/index.ts';
import { CallCounts } from '../call-counts.ts';
import type { GrpcMethods } from '../grpc-server.ts';
import type { Page, PageAnswer, Pages } from '../http/pages.ts';
import type { RpcContext, RpcMethod } from '../http2/index.ts';
import { shapeOf } from '../shape.ts';
import type { CallConnection, CallContext, Registry, ServedMethod } from '../types.ts';
import type { Caller, CoreCalls, FrontEndConnection } from './core-calls.ts';

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
        ? (request: unknown, context: Rpc) => core.unary(number, same(request), new RpcCaller(core, context))
        : (requests: unknown, context: Rpc) =>
            core.stream(number, requests as Uint8Array, new RpcCaller(core, context)),
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

/** The caller of a gRPC call. */
class RpcCaller implements Caller {
  readonly connection: FrontEndConnection;
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  readonly requiresLeader: boolean;
  id = 0;

  constructor(core: CoreCalls, context: Rpc) {
    this.connection = context.connection as FrontEndConnection;
    this.deadlineMs = context.deadlineMs;
    this.token = context.header('token') ?? context.header('authorization');
    this.requiresLeader = context.header('hasleader') === 'true';
    context.onAborted = (cause) => core.cancel(this.id, cause);
  }
}

function withSignal<Answer>(core: CoreCalls, context: CallContext, call: (caller: Caller) => Answer): Answer {
  const { deadlineMs, token, signal, requiresLeader = false } = context;
  const connection = context.connection as FrontEndConnection;
  const caller: Caller = { connection, deadlineMs, token, requiresLeader, id: 0 };
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
    const anybody = { deadlineMs: undefined, token: undefined, requiresLeader: false, id: 0 };
    const answer = await core.unary(number, Buffer.from(query), { ...anybody, connection: ownConnection });
    return JSON.parse(Buffer.from(answer).toString()) as PageAnswer;
  };
}
