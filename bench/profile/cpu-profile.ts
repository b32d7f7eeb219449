/** What `node --cpu-prof` writes, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** µs before each sample. */
  readonly timeDeltas: readonly number[];
}
interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** A frame of a stack: what it is called, and the file under `dist`, a module of Node's, or '' for what is native. */
export interface Frame {
  readonly name: string;
  readonly file: string;
}

/** Frames from the outermost to the innermost. */
export type Stack = readonly Frame[];

/** Time that each stack was seen at work, µs. Idle time, and all before `fromMs`, is left out. */
export function stacksOf(profile: CpuProfile, fromMs: number): Map<Stack, number> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((one) => [one, id])));
  const byNode = new Map<number, number>();
  let at = 0;
  for (const [position, id] of profile.samples.entries()) {
    const delta = profile.timeDeltas[position] ?? 0;
    at += delta;
    if (at >= fromMs * 1000) byNode.set(id, (byNode.get(id) ?? 0) + delta);
  }
  const stacks = new Map<Stack, number>();
  for (const [id, micros] of byNode) {
    const stack: Frame[] = [];
    for (let one: number | undefined = id; one !== undefined; one = parents.get(one)) {
      const node = nodes.get(one);
      if (node !== undefined && node.callFrame.functionName !== '(root)') stack.unshift(frameOf(node));
    }
    if (stack.at(-1)?.name !== '(idle)' && stack.length > 0) stacks.set(stack, micros);
  }
  return stacks;
}

function frameOf({ callFrame }: ProfileNode): Frame {
  const file = callFrame.url.replace(/^.*\/dist\//, '').replace(/^.*\/node_modules\//, '');
  return { name: callFrame.functionName || '(anonymous)', file };
}
