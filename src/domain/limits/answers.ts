import { hour, minute, second } from "./units.ts";

const kib = 1024;
const mib = 1024 * kib;
const gib = 1024 * mib;

/* What is read of the answers of others, counted as it is after any decoding. */

/** A failure's answer is read this far, to show what it says. */
export const errorAnswerMaxBytes = 64 * kib;
/** An S3 server's answers to uploads name an id or an error; a longer one fails the upload. */
export const s3AnswerMaxBytes = 64 * kib;
/** How long an S3 server may take to answer a completed upload, which it puts together meanwhile. */
export const s3AnswerTimeoutMs = 5 * minute;
/**
 * A blob store that takes no more of a blob for this long, or gives no answer, has failed: R2 on one machine gives none
 * where the disk is full. It has to take a part of 5 MiB in that time.
 */
export const blobStoreTimeoutMs = 1 * minute;
/** With a longer answer a registry's token server has failed, and the image is not pulled. Tokens have some KiB. */
export const tokenAnswerMaxBytes = 256 * kib;
/** With a longer list of verification keys none of them is taken, and connections go on being verified by the last ones. */
export const jwksMaxBytes = 64 * kib;
/** An agent takes a longer answer of the control plane for none. That to a heartbeat may name every backend of it twice. */
export const agentCallAnswerMaxBytes = 1 * mib;
/** The command takes a longer answer of the API for a failure. */
export const apiAnswerMaxBytes = 64 * mib;

/** How long a registry has for a manifest, a configuration or a token; then the pull fails, and may be tried again. */
export const registryAnswerTimeoutMs = 30 * second;
/** How long it has for one layer, however slowly it sends it: a pull ahead of any spawn has no other end. */
export const layerPullTimeoutMs = 1 * hour;

/* What an image may become on the disk of a machine that unpacks it. */

/** An image with more layers is not pulled; Docker builds at most 127. */
export const imageLayersMax = 512;
/** An image with a larger layer is not unpacked, nor pulled where its manifest says so. */
export const layerUnpackedMaxBytes = 16 * gib;
/** An image that is larger in all is not unpacked, nor pulled where its manifest says so. */
export const imageUnpackedMaxBytes = 32 * gib;
/** Files, links and folders of an image; one with more is not unpacked, since a disk has room for so many names only. */
export const imagePlacesMax = 1_000_000;
/** A layer that grows by more than this is not unpacked: programs shrink to a third, and zeros to a thousandth. */
export const layerRatioMax = 200;
/** Up to here a layer may grow as it likes: a small one of zeros harms nobody. */
export const layerRatioFreeBytes = 64 * mib;
