/** HTTP's status for each of gRPC's, as grpc-gateway has it. */
const statuses: readonly number[] = [
  ...[200, 408, 500, 400, 504, 404, 409, 403, 429, 412, 409, 400, 501, 500, 503, 500, 401],
];

export function httpStatusOf(grpcCode: number): number {
  return statuses[grpcCode] ?? 500;
}
