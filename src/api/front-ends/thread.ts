// The script of a front end's thread.
import { nodeRuntime } from '../../runtime/index.ts';
import { ownThread } from '../../runtime/threads.ts';
import { FrontEndThread } from './front-end-thread.ts';

new FrontEndThread(ownThread(), nodeRuntime());
