/**
 * When an open page changes. What changes while nobody waits counts as one change, and is never lost: its stream is read to
 * its end, whatever the page's reader does.
 */
export class PageChanges {
  readonly #reader: ReadableStreamDefaultReader<unknown> | undefined;
  readonly #mark: () => number;
  /** The moment of the last change that nobody has taken. */
  #changedAt: number | null;
  #end: { error?: unknown } | null = null;
  #wake: () => void = () => {};

  /**
   * @param changes a chunk for each change; undefined: there are none, and this has ended
   * @param mark marks a moment
   */
  constructor(changes: ReadableStream<unknown> | undefined, mark: () => number) {
    this.#mark = mark;
    this.#reader = changes?.getReader();
    // What has changed since the page itself was rendered.
    this.#changedAt = mark();
    void this.#read();
  }

  /** Waits for a change. @returns the moment of the last of what has changed; null at the end */
  async next(): Promise<number | null> {
    while (this.#changedAt === null && this.#end === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#end) {
      if ("error" in this.#end) throw this.#end.error;
      return null;
    }
    const at = this.#changedAt;
    this.#changedAt = null;
    return at;
  }

  cancel(reason?: unknown): Promise<void> | undefined {
    return this.#reader?.cancel(reason);
  }

  async #read(): Promise<void> {
    try {
      while (this.#reader && !(await this.#reader.read()).done) {
        this.#changedAt = this.#mark();
        this.#wake();
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#wake();
  }
}
