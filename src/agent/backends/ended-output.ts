/** How much is kept of one backend's output, and of all together. Counted as characters. */
const perBackendMax = 64 * 1024;
const inAllMax = 8 * 1024 * 1024;

/** The last lines of what is given, about as many as `max` characters hold; the last one always, cut if need be. */
export async function lastLines(lines: AsyncIterable<string>, max = perBackendMax): Promise<string[]> {
  const kept: string[] = [];
  let size = 0;
  for await (const line of lines) {
    kept.push(line.slice(0, max));
    size += Math.min(line.length, max) + 1;
    while (size > max && kept.length > 1) size -= (kept.shift()?.length ?? 0) + 1;
  }
  return kept;
}

/** The last output of backends that have ended, in memory: of the longest ended ones it is dropped first. */
export class EndedOutput {
  readonly #max: number;
  readonly #lines = new Map<string, string[]>();
  #size = 0;

  constructor(max = inAllMax) {
    this.#max = max;
  }

  keep(backendId: string, lines: string[]): void {
    this.forget(backendId);
    this.#lines.set(backendId, lines);
    this.#size += sizeOf(lines);
    for (const id of this.#lines.keys()) {
      if (this.#size <= this.#max) return;
      this.forget(id);
    }
  }

  of(backendId: string): readonly string[] {
    return this.#lines.get(backendId) ?? [];
  }

  forget(backendId: string): void {
    this.#size -= sizeOf(this.of(backendId));
    this.#lines.delete(backendId);
  }
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((size, line) => size + line.length + 1, 0);
}
