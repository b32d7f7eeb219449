import type { AnyMethod } from '../wire/index.ts';
import type { ServedMethod } from './types.ts';

/** How many requests and answers a call of the method has, as handlers are told apart by it. */
export function shapeOf(descriptor: AnyMethod): ServedMethod['shape'] {
  if (!descriptor.responseStream) return 'unary';
  return descriptor.requestStream ? 'duplex' : 'server-stream';
}
