import { day, hour, second } from "./units.ts";

/** A larger manifest is refused. OCI Distribution 1.1, "Pushing manifests": what clients may count on. */
export const manifestMaxBytes = 4 * 1024 * 1024;
/** Parts of a multipart upload all have this size but for the last; R2 and S3 take none smaller. */
export const blobPartBytes = 5 * 1024 * 1024;
/** What chunks of an upload had better have at least: a client that cuts by itself holds one in memory. */
export const blobChunkBytes = 10 * blobPartBytes;
/**
 * Parts that an isolate holds in memory at once, for all uploads together: those that are filled, and those that are stored. An isolate
 * has 128 MB, and a store may copy a part that it sends. Five layers at a time, as docker pushes them, fill and store at once.
 */
export const partsInMemoryMax = 8;
/** What is read at a time of an upload that is cut to parts. One that has brought no more than this holds no part. */
export const uploadBlockBytes = 64 * 1024;
/**
 * A client that sends no block for this long has stalled: what it fills is put into the store where others wait for its room. It
 * is what one who comes waits behind each that has stalled; and R2 takes one write a second under one key.
 */
export const uploadStalledMs = 2 * second;
/** How often whoever holds a part, or waits for one, shows that it is there … */
export const partHolderShowsEveryMs = 1 * second;
/** … and after how long without that it is not: a request may end without running another line of its code. */
export const partHolderSilentMs = 10 * second;
/** How much of a body that is of no use is read all the same, so that its client gets the answer: a chunk, and no whole layer. */
export const unreadBodyMaxBytes = 2 * blobChunkBytes;
/** A client that sends nothing of it for this long waits for the answer. */
export const unreadBodyPauseMs = 5_000;
/** R2 and S3 take at most this much in one put; a larger blob is uploaded in parts. */
export const blobPutMaxBytes = 5_000_000_000;

/** S3 and R2 number parts up to this. */
export const blobPartsMax = 10_000;
/** What so many parts hold. A larger blob is refused as soon as that much of it has come. */
export const blobMaxBytes = blobPartsMax * blobPartBytes;

/**
 * Uploads of an account that are open at once. What they have brought is counted by the quota `untagged_bytes`; this is for
 * those that bring nothing. A push has some for each layer on its way.
 */
export const openUploadsMax = 10_000;
/** Manifests of an account that no tag keeps, likewise: a small one is a row with hardly a byte. */
export const untaggedManifestsMax = 200_000;

/** An upload that nothing was added to for this long is dropped, and its client has to begin again. */
export const uploadExpiresMs = 24 * hour;
/** A blob that no manifest refers to is kept for this long: its manifest may still be on its way. */
export const unreferencedBlobKeptMs = 24 * hour;
/** A manifest without a tag is kept for this long: whoever pushes by digest may tag or pin it days later. */
export const unreferencedManifestKeptMs = 7 * day;
/** Bytes outlive their records by this, so that a pull which has begun can end. */
export const collectedBytesKeptMs = 2 * hour;
/** How many revisions of an environment are kept, the newest: how far back its history goes. */
export const revisionsKept = 1_000;
/**
 * How many deleted environments a service remembers by name, the newest, so that one that is created again under its
 * name goes on with its revision numbers. Beyond that, new ones begin above all that are forgotten.
 */
export const formerEnvironmentsKept = 1_000;
/**
 * How many notifications of other registries a service remembers by their ids, the newest, so that one that is delivered
 * again changes nothing: those that a registry sends while it goes on trying to deliver one.
 */
export const noticesKept = 10_000;
/** How many pushes a service remembers, the newest; its list shows some of them. */
export const pushesKept = 1_000;

/**
 * How long one token of a push or pull is good: for the longest request, since some clients fetch no other one in the midst of
 * a push. Its credential is looked up at each use.
 */
export const registryTokenSeconds = 3600;
/** Entries on a page of tags; clients follow the link to the next. */
export const tagsPageMax = 1000;
/**
 * A page of referrers is as long as the longest index that clients read. Never so many of them: those that read only the first
 * page, as cosign does, would not find a signature behind a hundred reports.
 */
export const referrersPageBytes = manifestMaxBytes;
/** A push of a manifest with more tags at once is refused. */
export const tagsOfOnePushMax = 32;
