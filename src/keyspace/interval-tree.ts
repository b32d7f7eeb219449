/**
 * Ranges of keys, and which of them a key lies in: a treap ordered by start and end, each node with the largest end
 * below it. Priorities come from a counter's hash, so that the shape needs no randomness.
 */
import { compareBytes, finishHash } from './bytes.ts';

interface Node<T> {
  readonly start: Uint8Array;
  /** Undefined: unbounded. */
  readonly end: Uint8Array | undefined;
  readonly priority: number;
  readonly items: Set<T>;
  largestEnd: Uint8Array | undefined;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
}

function compareEnds(left: Uint8Array | undefined, right: Uint8Array | undefined): number {
  if (left === undefined) return right === undefined ? 0 : 1;
  return right === undefined ? -1 : compareBytes(left, right);
}

function refresh<T>(node: Node<T>): void {
  let largest = node.end;
  if (node.left !== undefined && compareEnds(node.left.largestEnd, largest) > 0)
    largest = node.left.largestEnd;
  if (node.right !== undefined && compareEnds(node.right.largestEnd, largest) > 0) {
    largest = node.right.largestEnd;
  }
  node.largestEnd = largest;
}

export class IntervalTree<T> {
  private root: Node<T> | undefined;
  private created = 0;

  add(start: Uint8Array, end: Uint8Array | undefined, item: T): void {
    this.root = this.insert(this.root, start, end, item);
  }

  delete(start: Uint8Array, end: Uint8Array | undefined, item: T): void {
    this.root = this.remove(this.root, start, end, item);
  }

  /** Visits the items of every range that contains `key`. */
  visit(key: Uint8Array, visit: (item: T) => void): void {
    this.stab(this.root, key, visit);
  }

  private stab(node: Node<T> | undefined, key: Uint8Array, visit: (item: T) => void): void {
    if (node === undefined) return;
    if (node.largestEnd !== undefined && compareBytes(key, node.largestEnd) >= 0) return;
    this.stab(node.left, key, visit);
    if (compareBytes(key, node.start) < 0) return;
    if (node.end === undefined || compareBytes(key, node.end) < 0) {
      for (const item of node.items) visit(item);
    }
    this.stab(node.right, key, visit);
  }

  private insert(
    node: Node<T> | undefined,
    start: Uint8Array,
    end: Uint8Array | undefined,
    item: T,
  ): Node<T> {
    if (node === undefined) {
      const priority = finishHash(++this.created);
      return {
        start,
        end,
        priority,
        items: new Set([item]),
        largestEnd: end,
        left: undefined,
        right: undefined,
      };
    }
    const order = compareBytes(start, node.start) || compareEnds(end, node.end);
    if (order === 0) {
      node.items.add(item);
      return node;
    }
    if (order < 0) {
      node.left = this.insert(node.left, start, end, item);
      if (node.left.priority > node.priority) return rotateRight(node, node.left);
    } else {
      node.right = this.insert(node.right, start, end, item);
      if (node.right.priority > node.priority) return rotateLeft(node, node.right);
    }
    refresh(node);
    return node;
  }

  private remove(
    node: Node<T> | undefined,
    start: Uint8Array,
    end: Uint8Array | undefined,
    item: T,
  ): Node<T> | undefined {
    if (node === undefined) return undefined;
    const order = compareBytes(start, node.start) || compareEnds(end, node.end);
    if (order === 0) {
      node.items.delete(item);
      return node.items.size > 0 ? node : merge(node.left, node.right);
    }
    if (order < 0) node.left = this.remove(node.left, start, end, item);
    else node.right = this.remove(node.right, start, end, item);
    refresh(node);
    return node;
  }
}

function rotateRight<T>(node: Node<T>, left: Node<T>): Node<T> {
  node.left = left.right;
  left.right = node;
  refresh(node);
  refresh(left);
  return left;
}

function rotateLeft<T>(node: Node<T>, right: Node<T>): Node<T> {
  node.right = right.left;
  right.left = node;
  refresh(node);
  refresh(right);
  return right;
}

function merge<T>(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  if (left.priority > right.priority) {
    left.right = merge(left.right, right);
    refresh(left);
    return left;
  }
  right.left = merge(left, right.left);
  refresh(right);
  return right;
}
