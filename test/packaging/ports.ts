import { freePorts } from '../ports.ts';

/** The ports that README.md names, on which something else may listen here. */
const named = [2379, 2380, 2381, 22379, 22380, 32379, 32380] as const;

/** Free ports in place of those that the examples name; each example still says what it says. */
export class Ports {
  readonly #free: ReadonlyMap<number, number>;

  private constructor(free: readonly number[]) {
    this.#free = new Map(named.map((port, place) => [port, free[place] ?? 0]));
  }

  static async find(): Promise<Ports> {
    return new Ports(await freePorts(named.length));
  }

  of(port: (typeof named)[number]): number {
    return this.#free.get(port) ?? 0;
  }

  substitute(code: string): string {
    return code.replace(/127\.0\.0\.1:(\d+)/g, (address, port: string) => {
      const free = this.#free.get(Number(port));
      if (free === undefined) throw new Error(`${address} is no port that an example may name`);
      return `127.0.0.1:${free}`;
    });
  }
}
