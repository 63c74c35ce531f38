import { day } from "./units.ts";

/*
 * The disk of an agent's machine, in percent of what it holds. An agent may be started with others.
 */

/** With more than this in use, an agent removes images that nothing uses, so that there is room before a pull needs it. */
export const imageGcHighPercent = 85;
/** … until no more than this is in use, so that not every pull that follows removes one. */
export const imageGcLowPercent = 80;
/** With less than this free, an agent takes no new backends: what runs needs the rest. */
export const diskFloorPercent = 5;
/** The same where people work beside it, whose disks are fuller than a server's for reasons of their own. */
export const localDiskFloorPercent = 1;
/**
 * How long an image stays that was announced for an environment and not used since: unless another one is announced for
 * it, which does not happen where the environment was deleted or has moved to another cluster.
 */
export const announcedImageKeptMs = 7 * day;
