import type { BackendRecord } from "../service/contract.ts";

/**
 * Live backends as this object and the Service object know them together, at most so many: those that were used last. What is
 * dropped is learned again.
 */
export class KnownBackends {
  readonly #atMost: number;
  /** The one that was used longest ago first. */
  readonly #records = new Map<string, BackendRecord>();

  constructor(atMost: number) {
    this.#atMost = atMost;
  }

  get(backendId: string): BackendRecord | undefined {
    const record = this.#records.get(backendId);
    if (record) this.put(record);
    return record;
  }

  put(record: BackendRecord): void {
    this.#records.delete(record.info.id);
    this.#records.set(record.info.id, record);
    for (const id of this.#records.keys()) {
      if (this.#records.size <= this.#atMost) return;
      this.#records.delete(id);
    }
  }

  forget(backendId: string): void {
    this.#records.delete(backendId);
  }
}
