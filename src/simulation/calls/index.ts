/**
 * API calls of simulated clients: the client's transport and the member's server over connections of the runtime.
 *
 * Guarantees: cancellation, deadlines, streams and backpressure as between the threads of an embedded member; the
 * end of a connection has the cause that the network gave, so sessions bound to it behave as over gRPC.
 *
 * Must not: know what is called, or that the network is simulated.
 */

export { type CallServer, type ServeCallsOptions, serveCalls } from './serve.ts';
export { simulatedTransport } from './transport.ts';
