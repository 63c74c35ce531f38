/** Headers that make the platform compress an answer, if the client accepts gzip. */
export function compression(request: Request): Record<string, string> {
  const accepted = request.headers.get("accept-encoding") ?? "";
  return /\bgzip\b/.test(accepted) ? { "content-encoding": "gzip", vary: "accept-encoding" } : {};
}
