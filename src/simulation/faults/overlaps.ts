/**
 * Values that faults change for a while. Faults may overlap on one thing, as two that slow down one link do: when one
 * ends, what another that goes on wants stays, and after the last everything is as it was before the first.
 */
export class Overlaps {
  readonly #overrides = new Map<object, Overridden>();

  /** Until it is undone the target has these values, unless a later override has others. */
  override<Target extends object>(target: Target, values: Partial<Target>): () => void {
    let overridden = this.#overrides.get(target);
    if (overridden === undefined) {
      overridden = { before: {}, layers: [] };
      this.#overrides.set(target, overridden);
    }
    const { before, layers } = overridden;
    const layer = { ...values };
    for (const name of Object.keys(layer)) {
      if (!(name in before)) before[name] = target[name as keyof Target];
    }
    layers.push(layer);
    Object.assign(target, layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      Object.assign(target, before, ...layers);
      if (layers.length === 0) this.#overrides.delete(target);
    };
  }
}

interface Overridden {
  readonly before: Record<string, unknown>;
  readonly layers: object[];
}
