import {
  type CompiledFile,
  files,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  type services,
} from '../wire/index.ts';
import { statusCodes } from './status.ts';
import type { HandlerOf } from './types.ts';

type Reflection = typeof services.Reflection;
type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

const byName = new Map(files.map((file) => [file.name, file]));
const bySymbol = new Map(files.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)));

/** Tells tools such as grpcurl what is served, from the compiled protos. */
export const reflectionService: { [Name in keyof Reflection]: HandlerOf<Reflection[Name]> } = {
  async *serverReflectionInfo(requests) {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
    }
  },
};

function answer({ messageRequest }: ServerReflectionRequest): Answer {
  switch (messageRequest?.$case) {
    case 'listServices': {
      const service = files.flatMap((file) => file.services.map((name) => ({ name })));
      return { $case: 'listServicesResponse', value: { service } };
    }
    case 'fileByFilename':
      return fileOr(byName.get(messageRequest.value), messageRequest.value);
    case 'fileContainingSymbol':
      return fileOr(bySymbol.get(messageRequest.value), messageRequest.value);
    case 'fileContainingExtension':
      return refusal(statusCodes.notFound, `${messageRequest.value.containingType} has no extensions`);
    case 'allExtensionNumbersOfType': {
      const baseTypeName = messageRequest.value;
      if (!bySymbol.has(baseTypeName))
        return refusal(statusCodes.notFound, `${baseTypeName} is not known here`);
      return { $case: 'allExtensionNumbersResponse', value: { baseTypeName, extensionNumber: [] } };
    }
    default:
      return refusal(statusCodes.invalidArgument, 'the request asks for nothing');
  }
}

/** With all files that it needs, so that one question is enough. */
function fileOr(file: CompiledFile | undefined, asked: string): Answer {
  if (file === undefined) return refusal(statusCodes.notFound, `${asked.slice(0, 200)} is not known here`);
  const needed = new Set<CompiledFile>();
  const add = (one: CompiledFile | undefined): void => {
    if (one === undefined || needed.has(one)) return;
    for (const name of one.dependencies) add(byName.get(name));
    needed.add(one);
  };
  add(file);
  // What was asked for first, then what it needs, each before what that needs.
  const ordered = [...needed].reverse();
  const fileDescriptorProto = ordered.map(({ descriptor }) => Buffer.from(descriptor, 'base64'));
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function refusal(errorCode: number, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
