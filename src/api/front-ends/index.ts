/**
 * Front ends in worker threads: each holds connections of clients, with TLS, HTTP/2 and flow control, and hands their
 * calls to the member's thread, the core, in whole batches; answers come back the same way.
 *
 * It guarantees what a front end in the core's own thread does: handlers see the same calls, ends and orders; what a slow
 * reader has not taken stays bounded, here as there; and a front end that fails costs its own connections and nothing else.
 * A core that is behind is not swamped: its front ends stop reading. It must not know any method: what crosses between the
 * threads are messages as they came, so that nothing is decoded twice and nothing is cloned object by object.
 */
export { FrontEndThreads } from './front-end-threads.ts';
