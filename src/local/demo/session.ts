import querystring from "node:querystring";

/** What a demo backend knows of itself: what its environment has from Slipway. */
export interface Session {
  backendId: string;
  environment: string;
  /** The pin that it was spawned through: a tag or a digest. */
  image: string;
  digest: string;
  key: string | null;
}

export function sessionOf(env: NodeJS.ProcessEnv): Session {
  return {
    backendId: env.SESSION_BACKEND_ID ?? "none",
    environment: env.SLIPWAY_ENVIRONMENT ?? "none",
    image: env.SLIPWAY_IMAGE ?? "none",
    digest: env.SLIPWAY_IMAGE_DIGEST ?? "none",
    key: env.SESSION_BACKEND_KEY ?? null,
  };
}

/** The user that the cluster's proxy vouches for, or null for a connection without one. */
export function verifiedUser(headers: NodeJS.Dict<string | string[]>): string | null {
  const user = headers["x-verified-username"];
  return typeof user === "string" && user !== "" ? querystring.unescape(user) : null;
}
