import { alarmLateMs } from "../domain/limits.ts";

/**
 * The one alarm of an object, shared by whatever needs waking. Setting one is a row written: sooner ones only. One that is
 * late may have been dropped: the platform gives up after several failures, and a workerd that is killed at the wrong
 * moment keeps it in the object's storage, but not among those that it will ring.
 */
export class Alarm {
  readonly #storage: DurableObjectStorage;
  #at: number | null = null;

  constructor(object: DurableObjectState) {
    this.#storage = object.storage;
    // Whoever had the object in memory before may have set one: a later one must not take its place.
    void object.blockConcurrencyWhile(async () => {
      this.#at = await object.storage.getAlarm();
      this.renewDropped();
    });
  }

  /** Makes sure that the object wakes at `at` (milliseconds since the epoch) or before. Null asks for nothing. */
  noLaterThan(at: number | null): void {
    if (at === null || (this.#at !== null && this.#at <= at && !this.#isDropped())) return;
    this.#set(at);
  }

  /** Sets an alarm again that should have rung long ago. Cheap, so that what comes regularly may call it. */
  renewDropped(): void {
    if (this.#isDropped()) this.#set(Date.now());
  }

  /** Call when the alarm has fired: the platform has taken it off. */
  fired(): void {
    this.#at = null;
  }

  #isDropped(): boolean {
    return this.#at !== null && this.#at < Date.now() - alarmLateMs;
  }

  #set(at: number): void {
    this.#at = at;
    void this.#storage.setAlarm(at);
  }
}
