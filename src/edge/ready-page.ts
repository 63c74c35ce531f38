import { html } from "hono/html";
import { isConnectable, type StatusEntry, type TerminationReason } from "../domain/backend-status.ts";

const refreshSeconds = 1;

/** The page's address holds a connection token: it is neither stored nor passed on as a referrer. */
function pageHeaders(nonce: string): Record<string, string> {
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; style-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}

/** The page that shows a backend which is starting, and looks again every second, or one that has ended. */
export async function readyPage(backendId: string, entry: StatusEntry): Promise<Response> {
  const nonce = crypto.randomUUID();
  const isEnding = !isConnectable(entry.status);
  const title = isEnding ? "This session has ended" : "Starting your session";
  const refresh = isEnding ? "" : html`<meta http-equiv="refresh" content="${refreshSeconds}">`;
  const told = isEnding
    ? html`<p>${whyEnded(entry)}</p>`
    : html`<p role="status">Status: ${entry.status}. You are taken to it as soon as it is ready.</p>`;
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh}
<title>${title}</title>
<style nonce="${nonce}">
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto 0; padding: 0 1rem; color-scheme: light dark; }
small { opacity: 0.7; }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
${told}
<small>Backend ${backendId}</small>
</main>
</body>
</html>
`;
  return new Response(String(page), { headers: pageHeaders(nonce) });
}

function whyEnded(entry: StatusEntry): string {
  const exit = entry.exit_code === undefined ? "" : ` Its process exited with code ${entry.exit_code}.`;
  const reason = entry.termination_reason;
  return `${reason === undefined ? "It stopped by itself." : reasonTexts[reason]}${exit}`;
}

const reasonTexts: Record<TerminationReason, string> = {
  swept: "It was idle, or had reached the end of its lifetime.",
  external: "It was terminated on request.",
  keyexpired: "Its key has expired.",
  lost: "The cluster that ran it was lost.",
  startuptimeout: "It did not become ready in time.",
  internalerror: "It could not be run because of an internal error.",
};
