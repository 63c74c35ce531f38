import { html } from "hono/html";
import { isConnectable, type StatusEntry, type TerminationReason } from "../../domain/backends/status.ts";
import { errorEnvelope } from "../../protocol/error-envelope.ts";
import { sentenceOf } from "../sentence.ts";

const refreshSeconds = 1;

/** The content of a page, as plain text. */
interface PageContent {
  title: string;
  texts: readonly string[];
  /** In small print: the ids to quote to support. */
  reference: string;
  /** Seconds until the page reloads itself; absent, it does not. */
  refreshAfterSeconds?: number | undefined;
}

/** The page for a backend that is starting, which reloads every second, or that is ending or has ended. */
export function readyPage(backendId: string, entry: StatusEntry): Promise<Response> {
  return pageAnswer({ ...contentOf(entry), reference: `Backend ${backendId}` });
}

function contentOf(entry: StatusEntry): Omit<PageContent, "reference"> {
  if (isConnectable(entry.status)) {
    return {
      title: "Starting your session",
      texts: [`Status: ${entry.status}. You are taken to it as soon as it is ready.`],
      refreshAfterSeconds: refreshSeconds,
    };
  }
  if (entry.status !== "terminated") {
    return { title: "This session is ending", texts: [whyEnded(entry), startAnother] };
  }
  return { title: "This session has ended", texts: [whyEnded(entry), startAnother] };
}

const startAnother = "To go on, start a new one where you came from.";

/** Why a backend has ended or is ending, in whole sentences. */
export function whyEnded(entry: StatusEntry): string {
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

/**
 * Renders a failure for people: the same status, as a page instead of JSON, for clients that accept HTML. The page
 * reloads itself where the failure says when a retry can succeed.
 */
export async function failurePage(request: Request, failure: Response): Promise<Response> {
  if (failure.ok || !request.headers.get("accept")?.includes("text/html")) return failure;
  const envelope = errorEnvelope.safeParse(await failure.clone().json());
  if (!envelope.success) return failure;
  const { message, id } = envelope.data.error;
  const retryAfter = failure.headers.get("retry-after");
  const page = await pageAnswer({
    title: failure.status === 404 ? "There is no such session" : "This did not work",
    texts: [sentenceOf(message)],
    reference: `Request ${id}`,
    refreshAfterSeconds: retryAfter === null ? undefined : Number(retryAfter),
  });
  const headers = new Headers(failure.headers);
  for (const [name, value] of page.headers) headers.set(name, value);
  return new Response(page.body, { status: failure.status, headers });
}

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

async function pageAnswer({ title, texts, reference, refreshAfterSeconds }: PageContent): Promise<Response> {
  const nonce = crypto.randomUUID();
  const refresh =
    refreshAfterSeconds === undefined
      ? ""
      : html`
<meta http-equiv="refresh" content="${refreshAfterSeconds}">`;
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">${refresh}
<title>${title}</title>
<style nonce="${nonce}">
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 36rem; margin: 20vh auto 0; padding: 0 1rem; overflow-wrap: anywhere; }
small { opacity: 0.7; }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
<div role="status">
${texts.map((text) => html`<p>${text}</p>`)}
</div>
<small>${reference}</small>
</main>
</body>
</html>
`;
  return new Response(String(page), { headers: pageHeaders(nonce) });
}
