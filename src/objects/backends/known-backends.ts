import { BoundedMap } from "../../domain/bounded-map.ts";
import type { BackendRecord } from "../service/contract.ts";

/**
 * Live backends as this object and the Service object know them together, at most so many: those that were used last. What is
 * dropped is learned again.
 */
export class KnownBackends {
  readonly #records: BoundedMap<BackendRecord>;

  constructor(atMost: number) {
    this.#records = new BoundedMap(atMost);
  }

  get(backendId: string): BackendRecord | undefined {
    const record = this.#records.get(backendId);
    if (record) this.put(record);
    return record;
  }

  put(record: BackendRecord): void {
    this.#records.set(record.info.id, record);
  }

  forget(backendId: string): void {
    this.#records.delete(backendId);
  }
}
