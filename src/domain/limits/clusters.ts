import { hour, minute, second } from "./units.ts";

/** How often an agent reports what it runs. What it is to stop otherwise than by a webhook, it stops this late at most. */
export const heartbeatEveryMs = 10 * second;
/** An agent whose heartbeats are not answered for this long stops what holds a key: nobody may run it twice. */
export const leaseSeconds = 45;
/** A cluster without a heartbeat for this long is lost: its backends are ended, and their keys may be held elsewhere. */
export const clusterLostAfterMs = 60 * second;
/** A control plane that has not run for longer than this was away: it waits for a cluster's agents as long as for new ones. */
export const absentAfterMs = leaseSeconds * second;
/** How often the object of a silent cluster wakes to note that the control plane runs: whether it was away shows by that. */
export const watchEveryMs = 40 * second;
/** A backend younger than this may not be on a list that its agent has sent; an older one that is missing is lost. */
export const heartbeatMissingAfterMs = 30 * second;
/** A hard termination that its agent has not begun by then is ordered by the answer to a heartbeat too: its webhook may not get through. */
export const unheededTerminationAfterMs = 30 * second;
/** An agent that lists more backends is refused. */
export const listedBackendsMax = 10_000;
/**
 * A backend's idle time that has begun anew by no more than this is not sent again, nor handed on: what counts it in whole seconds
 * finds it to move by that much. A backend may be touched this much sooner for it.
 */
export const idleTimeJitterMs = 1 * second;
/** A heartbeat is answered without a service that takes longer: its agent gives the call up at some point, and needs the answer for its lease. */
export const heartbeatVerdictWaitMs = 3 * second;
/** How many services a lost cluster notifies at once, and an account of its configuration, before others have their turn. */
export const servicesNotifiedAtOnce = 200;
/** In how many such turns one run goes on, where none of them failed: an invocation may make 10,000 calls. */
export const configTurnsAtOnce = 10;
/** How many services judge one heartbeat. The others judge a later one: what is lost of them ends this much later. */
export const servicesJudgedAtOnce = 500;
/** How many codes that are not known yet are looked up for one heartbeat. The others are looked up for a later one. */
export const codesLookedUpAtOnce = 100;
/** Of so many services a cluster remembers their names, besides those that have something there: an agent that lists others again has them looked up again. */
export const serviceNamesKept = 2_000;
/** How often a cluster's lists are compared with every service: how long a backend can be missing that no list ever held. */
export const allServicesComparedEveryMs = 5 * minute;

/** How long a cluster's old signing secret stays good after a rotation: what its owner has to deploy the new one. */
export const secretRotationOverlapMs = 24 * hour;
