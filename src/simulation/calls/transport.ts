import { parseEndpoint } from '../../client/grpc-endpoint.ts';
import { PortTransport, type TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { DialledPort } from './connection-port.ts';

/** How a simulated process's client reaches endpoints such as `http://10.0.0.1:2379`. It connects with the first call. */
export function simulatedTransport(runtime: Runtime): TransportFactory {
  return (endpoint) => {
    const { target } = parseEndpoint(endpoint);
    const at = target.lastIndexOf(':');
    const address = { host: target.slice(0, at), port: Number(target.slice(at + 1)) };
    return new PortTransport(endpoint, new DialledPort(runtime, endpoint, address), runtime);
  };
}
