import type { Env } from "../objects/env.ts";

/** The public origin of the API: the configured one, else the request's own. */
export function originOf(env: Pick<Env, "API_URL">, request: Request): string {
  return new URL(env.API_URL === "" ? request.url : env.API_URL).origin;
}

/** host[:port] of the deployment's own image registry, as it stands in image names. */
export function registryHostOf(env: Pick<Env, "API_URL">, request: Request): string {
  return new URL(env.API_URL === "" ? request.url : env.API_URL).host;
}
