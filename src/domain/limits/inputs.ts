/* What a request may say, by where it ends up. Bytes are those of UTF-8, or of the encoding that the place has. */

/**
 * The longest URL that Slipway hands out. Reverse proxies take request lines of 8 KiB unless they are set up for more (nginx,
 * Apache; Cloudflare and AWS take 16): a longer one would be answered 414.
 */
export const urlMaxBytes = 8 * 1024;
/** The address of a cluster, or of a backend, without its token. A longer one is refused. */
export const baseUrlMaxBytes = 2000;
/** A cluster's template of it. */
export const urlTemplateMaxCharacters = 1000;
/** The longest connection token: what `urlMaxBytes` leaves beside the longest address. */
export const connectionTokenMaxBytes = 6 * 1024;
/** `user` and `auth` of a connect as JSON, which the token carries in base64url. More is refused. */
export const connectionClaimsMaxBytes = 4000;
/** … and as the two headers that the backend gets. Servers take 8 KiB of a header or 16 KiB of all (gunicorn, Apache; Node). */
export const verifiedHeadersMaxBytes = 8000;
/** `user` alone. */
export const userMaxCharacters = 1000;

/** The name of a DNS label, and of a host (RFC 1035 2.3.4). */
export const dnsLabelMaxBytes = 63;
export const hostMaxBytes = 253;

/** A tag or digest: the longest is a sha512 digest. */
export const imageMaxCharacters = 135;
/** A repository with its registry's host. */
export const repositoryMaxCharacters = 255;
/** The media type of an image that is recorded. */
export const mediaTypeMaxCharacters = 200;
/** A text of a registry's notification. */
export const notificationTextMaxCharacters = 4096;
/** The events of one notification. */
export const notificationEventsMax = 1000;
/** What a person writes about a pin. */
export const noteMaxCharacters = 500;
/** The name of an access token. */
export const tokenNameMaxCharacters = 100;
/** An agent's id and version. */
export const agentTextMaxCharacters = 100;
/** A time of RFC 3339, whose fraction may have any number of digits. */
export const timeMaxCharacters = 64;
/** The backend's secret, as its cluster receives it. */
export const secretTokenMaxCharacters = 512;
