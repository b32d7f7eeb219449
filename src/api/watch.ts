import type { services } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import type { HandlerOf } from './types.ts';
import { WatchStream } from './watch-stream.ts';

type Watch = typeof services.Watch;

export function watchService(api: ApiServices): { [Name in keyof Watch]: HandlerOf<Watch[Name]> } {
  return {
    watch: (requests, context) => new WatchStream(api, context).responses(requests),
  };
}
