import type { Backoff } from "./deliveries.ts";
import { hour, minute, second } from "./units.ts";

/**
 * By how much an object's alarm may ring late. One that is later was dropped, or the control plane was away when it was due.
 * The platform drops one after several failures, and a workerd that is killed at the wrong moment keeps it in the object's
 * storage, but not among those that it will ring.
 */
export const alarmLateMs = 5 * second;
/** A backlog may ask for the next alarm at once so often in a row; after that it is taken for work that gets nowhere … */
export const alarmsAtOnceMax = 10;
/** … and is put off like this, so that a mistake costs an object an alarm a minute and not all of its time. */
export const hurriedAlarmBackoff: Backoff = { firstMs: 1 * second, longestMs: 1 * minute };

/**
 * What is past its keeping is deleted so many at a time, of each kind of row, and this often: how much longer it takes room.
 * An idle object wakes for it no more often.
 */
export const expiredForgottenAtOnce = 1_000;
export const expiredForgottenEveryMs = 6 * hour;
