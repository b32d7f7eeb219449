/**
 * Finds what belongs to a 64-bit id: a digital search tree (Knuth, The Art of Computer Programming 3, 6.3, algorithm D).
 * Each node holds one id, and below it one bit of the id decides, so that no choice of ids makes it deeper than 65 nodes.
 */
export class IdTree<T> {
  private root: Node<T> | undefined;
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** `first` is the lower half of the id, `second` the upper one. */
  find(first: number, second: number): T | undefined {
    let node = this.root;
    for (let depth = 0; node !== undefined; depth++) {
      if (node.first === first && node.second === second) return node.item;
      node = isRight(first, second, depth) ? node.right : node.left;
    }
    return undefined;
  }

  /** One that is not there yet. */
  add(first: number, second: number, item: T): void {
    this.count++;
    const added: Node<T> = { first, second, item, left: undefined, right: undefined };
    let node = this.root;
    if (node === undefined) {
      this.root = added;
      return;
    }
    for (let depth = 0; ; depth++) {
      const side: Side = isRight(first, second, depth) ? 'right' : 'left';
      const next: Node<T> | undefined = node[side];
      if (next === undefined) {
        node[side] = added;
        return;
      }
      node = next;
    }
  }

  /** One that is there. Any leaf below it may take its place: it shares all the bits that led there. */
  remove(first: number, second: number): void {
    this.count--;
    let node = this.root as Node<T>;
    let parent: Node<T> | undefined;
    for (let depth = 0; node.first !== first || node.second !== second; depth++) {
      parent = node;
      node = (isRight(first, second, depth) ? node.right : node.left) as Node<T>;
    }
    let leaf = node;
    for (let below = leaf.left ?? leaf.right; below !== undefined; below = leaf.left ?? leaf.right) {
      parent = leaf;
      leaf = below;
    }
    if (parent === undefined) this.root = undefined;
    else parent[parent.left === leaf ? 'left' : 'right'] = undefined;
    node.first = leaf.first;
    node.second = leaf.second;
    node.item = leaf.item;
  }

  clear(): void {
    this.root = undefined;
    this.count = 0;
  }
}

type Side = 'left' | 'right';

interface Node<T> {
  first: number;
  second: number;
  item: T;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
}

function isRight(first: number, second: number, depth: number): boolean {
  return (((depth < 32 ? first : second) >>> (depth & 31)) & 1) === 1;
}
