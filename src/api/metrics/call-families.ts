import type { Registry } from '../types.ts';
import { counter, type Family, gauge, type Sample } from './family.ts';

/** Names of gRPC's codes, as its libraries print them. */
const codes = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...[
    'PermissionDenied',
    'ResourceExhausted',
    'FailedPrecondition',
    'Aborted',
    'OutOfRange',
    'Unimplemented',
  ],
  ...['Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];
const types = { unary: 'unary', 'server-stream': 'server_stream', duplex: 'bidi_stream' } as const;

/** Calls by gRPC and by the JSON gateway alike, by the names that gRPC's libraries give them. */
export function callFamilies(registry: Registry): Family[] {
  const methods = [...registry.values()].map(({ calls, descriptor, shape }) => {
    const [, service = '', method = ''] = descriptor.path.split('/');
    return { calls, labels: { grpc_type: types[shape], grpc_service: service, grpc_method: method } };
  });
  const started = (): Sample[] => methods.map(({ calls, labels }) => ({ labels, value: calls.started }));
  const handled = (): Sample[] =>
    methods.flatMap(({ calls, labels }) =>
      calls.byCode.flatMap((value, code) => ({
        labels: { ...labels, grpc_code: codes[code] ?? String(code) },
        value,
      })),
    );
  const open = (): number =>
    methods
      .filter(({ labels }) => labels.grpc_service === 'etcdserverpb.Watch')
      .reduce(
        (sum, { calls }) => sum + calls.started - calls.byCode.reduce((all, count) => all + count, 0),
        0,
      );
  return [
    counter('grpc_server_started_total', 'Calls that began.', started),
    counter('grpc_server_handled_total', 'Calls that ended, by status.', handled),
    gauge('etcd_debugging_mvcc_watch_stream_total', 'Streams of watches that are open here.', open),
  ];
}
