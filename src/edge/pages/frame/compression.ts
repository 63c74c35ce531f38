/** Asks the platform to compress an answer, where the client takes that. */
export function compression(request: Request): Record<string, string> {
  const accepted = request.headers.get("accept-encoding") ?? "";
  return /\bgzip\b/.test(accepted) ? { "content-encoding": "gzip", vary: "accept-encoding" } : {};
}
