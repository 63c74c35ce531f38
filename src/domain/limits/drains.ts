import { day, second } from "./units.ts";

/** How many sessions a drain ends in a minute, unless it says otherwise: as many start anew then, all at that pace. */
export const drainRateDefault = 60;
/** At more a drain is refused: a service that is to be rid of them at once terminates them. */
export const drainRateMax = 6_000;
/** A session without a key is idle when it has had no connection for so long: what reconnects in a moment is not ended. */
export const drainIdleMs = 10 * second;
/** How often a drain looks for sessions that have become idle: as often as agents say so. */
export const drainLooksEveryMs = 10 * second;
/** A session without a key is ended this long after the beginning of its drain at most, where the drain says when. */
export const drainAtEndOfMaxSeconds = (365 * day) / second;
/** So many keys, and so many backends, a drain may leave. */
export const drainKeepMax = 100;
/** So many of what holds a drain up are named; all are counted. */
export const drainHeldUpShown = 10;

/** With so many drains under way in a service the next one is refused: each looks at its backends at its own pace. */
export const drainsUnderWayMax = 20;
/** How many drains a service keeps that are over, and for how long. */
export const drainsKept = 100;
export const drainsKeptMs = 30 * day;

/** How long sessions live in an environment is estimated from so many that ended last there, in so many environments. */
export const lifetimesKept = 50;
export const lifetimeEnvironmentsKept = 500;
/** Of these, the share that an estimate covers. */
export const lifetimeShare = 0.9;
