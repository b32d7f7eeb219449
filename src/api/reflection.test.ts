import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFileRegistry, type DescService, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { type AnyMethod, ServerReflectionRequest, services } from '../wire/index.ts';
import { reflectionService } from './reflection.ts';
import { TestingCall } from './testing.ts';

type Asked = NonNullable<ServerReflectionRequest['messageRequest']>;

async function ask(messageRequest: Asked) {
  const requests = async function* () {
    yield ServerReflectionRequest.create({ messageRequest });
  };
  for await (const { messageResponse } of reflectionService.serverReflectionInfo(
    requests(),
    new TestingCall(),
  )) {
    return messageResponse;
  }
  assert.fail('no answer');
}

test('every service that is served is listed, and described with all that its messages need', async () => {
  const listed = await ask({ $case: 'listServices', value: '' });
  assert.equal(listed?.$case, 'listServicesResponse');
  const names = listed.value.service.map(({ name }) => name);
  const paths = Object.values(services).flatMap((service) => Object.values(service) as AnyMethod[]);
  const served = new Set(paths.map(({ path }) => path.split('/')[1]));
  assert.deepEqual(new Set(names), served);
  for (const name of names) {
    const found = await ask({ $case: 'fileContainingSymbol', value: name });
    assert.equal(found?.$case, 'fileDescriptorResponse', name);
    const inOrder = found.value.fileDescriptorProto.toReversed();
    const file = inOrder.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    // Fails where a dependency is missing.
    const registry = createFileRegistry({ ...fromBinary(FileDescriptorSetSchema, new Uint8Array()), file });
    const service = registry.get(name) as DescService;
    const described = service.methods.map((method) => `/${name}/${method.name}`).sort();
    assert.deepEqual(
      described,
      paths
        .map(({ path }) => path)
        .filter((path) => path.startsWith(`/${name}/`))
        .sort(),
    );
  }
});

test('messages, fields and files are found by name, and what is unknown is told as such', async () => {
  for (const value of ['etcdserverpb.RangeRequest', 'etcdserverpb.KV.Range', 'mvccpb.KeyValue.value']) {
    assert.equal(
      (await ask({ $case: 'fileContainingSymbol', value }))?.$case,
      'fileDescriptorResponse',
      value,
    );
  }
  const byName = await ask({ $case: 'fileByFilename', value: 'etcd/etcdserverpb/kv.proto' });
  assert.equal(byName?.$case, 'fileDescriptorResponse');
  for (const asked of [
    { $case: 'fileContainingSymbol', value: 'no.Such' },
    { $case: 'fileByFilename', value: '../secret' },
  ] as const) {
    const unknown = await ask(asked);
    assert.ok(unknown?.$case === 'errorResponse' && unknown.value.errorCode === 5);
  }
});
