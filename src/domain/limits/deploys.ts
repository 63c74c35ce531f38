import { day, second } from "./units.ts";

/* Moving pins safely: what is counted, and what waits. */

/** A session that ends by itself so soon after it became ready has crashed, as far as its image is judged. */
export const crashWithinMs = 60 * second;
/** How late the sessions that became ready are written: what a crash loses of them makes gates stricter. Failures are written at once. */
export const armCountsWithinMs = 10 * second;
/**
 * How many of the last distinct digests of an environment keep their images, and how many of the last that somebody chose, which
 * pushes must not crowd out: how far back it can be rolled without a new push.
 */
export const returnableDigestsKept = 20;
/** External checks of one image, by name. */
export const checksPerImage = 32;
/** Upstreams, and checks, that gates may name. */
export const gatesNamedMax = 20;
/** Digests that one environment has rejected; beyond that the oldest is forgotten. */
export const rejectionsKept = 500;
/** Pushes that one environment has held back; beyond that the oldest is forgotten. */
export const candidatesKept = 20;
/** A change that nobody has approved by then is over. */
export const changeOpenMs = 1 * day;
/** Changes of one service that wait for approval at once; a further one is refused. */
export const openChangesMax = 100;
/** Changes that are over, of one service, the newest. */
export const endedChangesKept = 500;
/** Tokens that may be named among those who may change an environment. */
export const changersNamedMax = 50;
/** Approvals that a change may need. */
export const approvalsMax = 10;
