import { backoffDelayMs } from "../domain/deliveries/retry.ts";
import { alarmLateMs, alarmsAtOnceMax, hurriedAlarmBackoff } from "../domain/limits.ts";

/**
 * The one alarm of an object, shared by whatever needs waking. Setting one is a row written: sooner ones only. One that is
 * late may have been dropped: the platform gives up after several failures, and a workerd that is killed at the wrong
 * moment keeps it in the object's storage, but not among those that it will ring.
 */
export class Alarm {
  readonly #storage: DurableObjectStorage;
  #at: number | null = null;
  /** Whether a time that was past was asked for since the alarm has rung. */
  #isHurried = false;
  /** How many alarms in a row have rung for that. */
  #hurriedInARow = 0;

  constructor(object: DurableObjectState) {
    this.#storage = object.storage;
    // Whoever had the object in memory before may have set one: a later one must not take its place.
    void object.blockConcurrencyWhile(async () => {
      this.#at = await object.storage.getAlarm();
      this.renewDropped();
    });
  }

  /**
   * Makes sure that the object wakes at `at` (milliseconds since the epoch) or before. Null asks for nothing. A time that
   * is past means at once; work that asks for that again and again, and so gets nowhere, is put off longer and longer.
   */
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
    this.#hurriedInARow = this.#isHurried ? this.#hurriedInARow + 1 : 0;
    this.#isHurried = false;
  }

  #isDropped(): boolean {
    return this.#at !== null && this.#at < Date.now() - alarmLateMs;
  }

  #set(at: number): void {
    const now = Date.now();
    const tooMany = this.#hurriedInARow - alarmsAtOnceMax + 1;
    const isPast = at <= now;
    this.#isHurried ||= isPast;
    const rings = isPast && tooMany > 0 ? now + backoffDelayMs(hurriedAlarmBackoff, tooMany, 0.5) : at;
    if (this.#at !== null && this.#at <= rings && !this.#isDropped()) return;
    this.#at = rings;
    void this.#storage.setAlarm(rings);
  }
}
