import { hour } from "./units.ts";

/** A request with a longer body is refused. */
export const apiBodyMaxBytes = 64 * 1024;
/** A longer Idempotency-Key is refused. */
export const idempotencyKeyMaxCharacters = 255;
/** A retry with the same Idempotency-Key gets the first answer for this long; a later one is a new request. */
export const idempotencyKeptMs = 24 * hour;

/** Items on a page of a list: where the request names no limit, and the most that it may name. */
export const listLimitDefault = 50;
export const listLimitMax = 200;
/** An overview shows this many of an environment's latest pins, to roll back to. */
export const recentPinsShown = 20;
/** An image names the newest of the live backends that run it; the list of backends has all. */
export const imageBackendsListed = 1_000;
/** Images that v2's list of a service shows. */
export const recentImages = 50;
