// The stand-in as a process of its own, so that a crowd in the tests' process does not slow it. Usage: <port>
import { ConsulStandIn } from './consul.ts';

const standIn = new ConsulStandIn();
await standIn.listen(Number(process.argv[2]));
