import { after } from "../timers.ts";

/** Timers of one owner, at most one under each name. */
export class NamedTimers<Name extends string> {
  readonly #armed = new Map<Name, () => void>();

  /** Runs `task` once after `ms`; one that was armed under this name before is cancelled. */
  arm(name: Name, ms: number, task: () => void): void {
    this.cancel(name);
    this.#armed.set(name, after(ms, task));
  }

  cancel(name: Name): void {
    this.#armed.get(name)?.();
    this.#armed.delete(name);
  }

  cancelAll(): void {
    for (const name of [...this.#armed.keys()]) this.cancel(name);
  }
}
