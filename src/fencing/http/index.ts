/**
 * Fencing over HTTP: a client that sends a leader's token, and middleware that refuses the token of an older one.
 *
 * Guarantees: once a token was let in for a resource, requests with a lower one get 412, also after a restart and in
 * every process whose gate has the same storage. Within one process a newer leader's request waits until older ones have
 * been answered.
 *
 * What it does not protect against:
 * - Several server processes: a request that one of them let in and is still at work on can have its effect after a newer
 *   one's in another. Pass `fencingOf(request).token` on to what holds the data, and compare there.
 * - A handler that goes on after its response was closed and did not say so by `holdUntil`.
 * - Clients that lie: a token is no credential, and a high one shuts all leaders out. Authenticate first.
 * - Repeated requests: a proxy or client that sends the same one twice with a token that is still the highest. Where HTTP
 *   allows that (all methods but POST and PATCH), the outcome of a refusal is 'unknown': it is the refusal of one copy.
 *
 * Must not: import a framework.
 */
export { type FencedFetchOptions, fencedFetch } from './client.ts';
export { type FencingOptions, fencingOf, type RequestFencing, unfenced } from './fencing.ts';
export { fencingHeaders } from './headers.ts';
export {
  expressFencing,
  type FastifyReplyLike,
  type FastifyRequestLike,
  fastifyFencing,
  type HonoContextLike,
  honoFencing,
  type NodeFencingOptions,
  type NodeRequest,
  type NodeResponse,
  nodeFencing,
} from './middleware.ts';
