/*
 * From which load lanes pay, by the model of one queue for each object (M/M/1: of a Poisson stream of requests, which take
 * an exponential time). A model, not a measurement: its one figure from the bench is the rate.
 */

/** What an object decides at most. */
export const spawnsPerSecond = 1000;
/** The 99th percentile that a spawn is to keep. */
export const aimMs = 45;
/** There and back between two objects of one location. */
const roundTripMs = 10;

/** The time within which all but one of `oneIn` requests leave an object. @param perSecond what arrives at it */
function withinMs(perSecond: number, oneIn: number): number {
  if (perSecond >= spawnsPerSecond) return Number.POSITIVE_INFINITY;
  return (1000 * Math.log(oneIn)) / (spawnsPerSecond - perSecond);
}

/** The 99th percentile of a spawn. @param load of the whole service, per second */
export function spawnMs(load: number, lanes: number): number {
  return withinMs(load / lanes, 100);
}

/** How much longer a pin takes than with one object: it waits for the last of its lanes. */
export function pinExtraMs(load: number, lanes: number): number {
  return lanes === 1 ? 0 : roundTripMs + withinMs(load / lanes, 100 * lanes);
}

/** The load from which a spawn gains as much as a pin loses, both at the 99th percentile. Lanes do not pay below it. */
export function paysFrom(lanes: number): number {
  return firstLoad((load) => spawnMs(load, 1) - spawnMs(load, lanes) >= pinExtraMs(load, lanes));
}

/** The load up to which so many objects keep a spawn's aim. */
export function carriesUpTo(lanes: number): number {
  return firstLoad((load) => spawnMs(load, lanes) > aimMs) - 1;
}

function firstLoad(holds: (load: number) => boolean): number {
  let load = 1;
  while (!holds(load)) load += 1;
  return load;
}
