import type { Env } from "../objects/env.ts";

let parsed: { text: string; url: URL } | undefined;

/** Each isolate has one configured URL, and nearly every answer needs it. */
function publicUrl(env: Pick<Env, "API_URL">, request: Request): URL {
  const text = env.API_URL === "" ? request.url : env.API_URL;
  if (parsed?.text !== text) parsed = { text, url: new URL(text) };
  return parsed.url;
}

/** The public origin of the API: the configured one, else the request's own. */
export function originOf(env: Pick<Env, "API_URL">, request: Request): string {
  return publicUrl(env, request).origin;
}

/** host[:port] of the deployment's own image registry, as it stands in image names. */
export function registryHostOf(env: Pick<Env, "API_URL">, request: Request): string {
  return publicUrl(env, request).host;
}
