import type { Env } from "../objects/env.ts";

let parsed: { text: string; origin: string; host: string } | undefined;

/** Each isolate has one configured URL, and nearly every answer needs it: as texts, since a URL makes them anew each time. */
function publicUrl(env: Pick<Env, "API_URL">, request: Request) {
  const text = env.API_URL === "" ? request.url : env.API_URL;
  if (parsed?.text !== text) {
    const { origin, host } = new URL(text);
    parsed = { text, origin, host };
  }
  return parsed;
}

/** The public origin of the API: the configured one, else the request's own. */
export function originOf(env: Pick<Env, "API_URL">, request: Request): string {
  return publicUrl(env, request).origin;
}

/** host[:port] of the deployment's own image registry, as it stands in image names. */
export function registryHostOf(env: Pick<Env, "API_URL">, request: Request): string {
  return publicUrl(env, request).host;
}
