import { ConclaveError } from '../../errors/index.ts';
import type { Address, Runtime } from '../../runtime/index.ts';
import { FrameSplitter, frameHead, frameKinds } from './frames.ts';

const answerWithinMs = 2000;

/** What a member tells of its cluster to one that wants to join it. */
export interface ToldCluster {
  readonly clusterId: number;
  readonly members: readonly {
    readonly memberId: number;
    readonly name: string;
    readonly peerUrls: readonly string[];
    readonly hasData: boolean;
  }[];
}

/** Asks whoever listens for peers there. @throws ConclaveError 'unavailable', 'aborted' */
export async function askForMembers(
  runtime: Runtime,
  address: Address,
  signal?: AbortSignal,
): Promise<ToldCluster> {
  const connection = await runtime.network.connect(address, {
    timeoutMs: answerWithinMs,
    ...(signal && { signal }),
  });
  const giveUp = (): void => connection.destroy();
  signal?.addEventListener('abort', giveUp);
  try {
    const text = await new Promise<string>((resolve, reject) => {
      const where = `${address.host}:${address.port}`;
      const timer = runtime.timers.after(answerWithinMs, () => reject(unanswered(where)));
      const splitter = new FrameSplitter();
      connection.onData = (chunk) => {
        try {
          splitter.push(chunk, (frame) => {
            timer.cancel();
            if (frame.kind === frameKinds.members) resolve(Buffer.from(frame.payload).toString('utf8'));
            else reject(unanswered(where));
          });
        } catch (error) {
          reject(error as Error);
        }
      };
      connection.onClose = () => {
        timer.cancel();
        reject(unanswered(where));
      };
      connection.write([frameHead(frameKinds.membersWanted, 0, 0)]);
    });
    return decodeToldCluster(text);
  } finally {
    signal?.removeEventListener('abort', giveUp);
    connection.destroy();
  }
}

export function encodeToldCluster({ clusterId, members }: ToldCluster): Uint8Array {
  const told = members.map(({ memberId, name, peerUrls, hasData }) => ({
    memberId,
    name,
    peerUrls,
    hasData,
  }));
  return new TextEncoder().encode(JSON.stringify({ clusterId, members: told }));
}

/** @throws ConclaveError 'invalid-argument' */
function decodeToldCluster(text: string): ToldCluster {
  const told = JSON.parse(text) as ToldCluster;
  const isMember = (member: ToldCluster['members'][number]) =>
    Number.isSafeInteger(member.memberId) && Array.isArray(member.peerUrls);
  if (Number.isSafeInteger(told.clusterId) && Array.isArray(told.members) && told.members.every(isMember))
    return told;
  throw new ConclaveError('invalid-argument', 'What listens there tells no members.');
}

function unanswered(where: string): ConclaveError {
  return new ConclaveError('unavailable', `${where} does not tell the members of its cluster`, {
    retryable: true,
  });
}
