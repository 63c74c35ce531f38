import { hour, second } from "./units.ts";

/** A request with a longer body is refused. */
export const apiBodyMaxBytes = 64 * 1024;
/** A longer Idempotency-Key is refused. */
export const idempotencyKeyMaxCharacters = 255;
/** A retry with the same Idempotency-Key gets the first answer for this long; a later one is a new request. */
export const idempotencyKeptMs = 24 * hour;

/**
 * When a request that needs storage may be repeated that found it full: as long as a person takes to look. What agents
 * report waits that long too, and their leases must not end for it.
 */
export const storageFullRetrySeconds = 10;
/**
 * How old what `/healthz` says of storage may be. Longer than the runtime keeps an idle object, 10 s: one that is still
 * open has a journal with room in it, and writes to that although the disk is full.
 */
export const storageCheckedEveryMs = 15 * second;
/** The same where it could not be written to: somebody is making room. */
export const storageCheckedAgainMs = 2 * second;
/** How much a check of storage writes: with less room other objects cannot even be opened. */
export const storageCheckBytes = 64 * 1024;
/** A write that takes longer has failed, as far as `/healthz` is concerned. */
export const storageCheckTimeoutMs = 5 * second;

/** Items on a page of a list: where the request names no limit, and the most that it may name. */
export const listLimitDefault = 50;
export const listLimitMax = 200;
/** What is looked for in a list: as long as the longest name, a tag's. */
export const searchMaxCharacters = 128;
/** So many names of services cross from an account at a time; lists of all of them are read page by page. */
export const serviceNamesPerCall = 1_000;
/** v1's and v2's lists, which have no pages: the first services by name, and the newest live backends of as many … */
export const servicesListed = 10_000;
export const runningBackendsListed = 10_000;
/** … of so many services, the first by name: each is a call, of which a request may make 10,000. */
export const servicesReadForBackends = 5_000;
/** So many of them are read, and their answers held, at once. */
export const servicesReadAtOnce = 50;
/** An overview shows this many of an environment's latest pins, to roll back to … */
export const recentPinsShown = 5;
/** … and the digests that most of its live backends run; of the others it says how many there are. */
export const digestsInOverviewMax = 6;
/** An image names so many of the tags that stand on it, and of the environments that run it; the others are counted. */
export const imageTagsListed = 100;
export const imageEnvironmentsListed = 1_000;
/** An image names the newest of the live backends that run it; the list of backends has all. */
export const imageBackendsListed = 1_000;
/** A service names so many of its environments, and counts all; the list of environments has the others. */
export const environmentNamesListed = 100;
/**
 * So many environments stand on a page, and in a service's overview; the others are on the next ones. Each is a card with two drawings of its
 * plot, half a millisecond of processor time: 50 would take more than the 20 ms that a page may.
 */
export const environmentsShown = 20;
/** A message names so many of a kind of thing, and counts the others; its details name more of them. */
export const namesInMessageMax = 20;
export const namesInDetailsMax = 100;
/** So many names stand in a row of a page's table, and where a page shows what one thing has; the others are counted. */
export const namesInRowMax = 5;
export const namesShownMax = 50;
/** Rows of a page's table that has no next page. */
export const rowsShownMax = 50;
/** A form offers so many names to choose from; where there are more, one is written. */
export const choicesOfferedMax = 100;
/** Images that v2's list of a service shows. */
export const recentImages = 50;
