import { second } from "./units.ts";

/** Status streams of one backend that an isolate holds, and those from one address, unless the deployment says otherwise. */
export const statusStreamsPerBackend = 2_000;
export const statusStreamsPerAddress = 1_000;
/** When somebody who was refused a stream may find a place: about how long a client that has left still has one. */
export const streamRetrySeconds = 20;
/** A stream that has shown no life for so long has ended without a word, and its place is free. */
export const streamSilentMs = 60 * second;

/**
 * In an isolate one of a service's open pages is rendered at most this often, for all its viewers: how old is what it shows,
 * times the pages that are open, beside the nudges'. The same holds for what is of no service but of an account.
 */
export const pageRenderedEveryMs = 1 * second;
/** It is rendered this long after a change, so that all who follow it are shown the same. */
export const pageChangesGatheredMs = 50;
/** A viewer waits so long for what another's request renders, which may have ended, before their own request does. */
export const pageRenderLostAfterMs = 3 * second;
/** Whose turn it is has so long to render: who has left without a word delays the others by this. More than a timer is late. */
export const pageTurnForfeitMs = 50;

/** How often a stream that follows a backend for all streams of its isolate shows that it is there. */
export const leadBeatEveryMs = 5 * second;
/** Without that for so long another stream takes its place: how late a status is at most, with the watch below. */
export const leadSilentMs = 8 * second;
/** What it has then to show itself, after a moment in which nothing in the isolate could. */
export const leadSuspectedMs = 2 * second;
/** About how often any of the streams that wait looks after that: each looks the less often the more there are. */
export const leadWatchedEveryMs = 4 * second;
export const leadWatchedLongestMs = 15 * second;
