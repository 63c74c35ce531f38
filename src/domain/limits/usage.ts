import { day, hour, minute, second } from "./units.ts";

/** Usage is counted by the minute: no plot is finer. */
export const usageMinuteMs = 1 * minute;
/** Sums of a whole hour are kept beside its minutes: a plot of long steps reads these. */
export const usageHourMs = 1 * hour;
/** What is stored as one row: a month is 90 of them, and each minute's counts write one anew, of some 20 kB at most. */
export const usageBlockMs = 8 * hour;
/** How far back plots go. */
export const usageKeptMs = 30 * day;
/** A request for more steps is refused. */
export const usageStepsMax = 400;

/** … and for more steps of all environments together: what is answered has to cross from the service, in 32 MiB. */
export const usagePointsMax = 100_000;

/** Counts stay in memory for as long as this, so that no connect and no failed delivery writes a row of its own for them … */
export const usageWriteAfterMs = 10 * second;
/** … and no longer than this: what a plot may lack after a crash. */
export const usageWriteWithinMs = 60 * second;
