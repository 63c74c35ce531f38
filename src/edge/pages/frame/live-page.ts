import { ok, type Result } from "../../../domain/result.ts";
import { budgetSpent, unreached } from "../../../objects/failures/unreached.ts";
import { sseEvent } from "../../../protocol/sse.ts";
import { pulledStream, type Step } from "../../streams/pulled-stream.ts";
import { eventsWhileAdmitted, type StillAdmitted } from "../../streams/while-admitted.ts";
import type { Page } from "./page.ts";
import type { AnyPageCall } from "./page-call.ts";
import { PageChanges } from "./page-changes.ts";
import type { SharedRenders, Shown } from "./shared-renders.ts";
import { closeEvent } from "./stream-events.ts";
import { fragment } from "./view.ts";

/** What an open page shows to everybody of one scope. */
export interface RenderedBody {
  html: string;
  isFinal: boolean;
  /** What stands in it where each viewer has a CSRF token of their own. */
  csrf: string;
}

export type PageRenders = SharedRenders<Result<RenderedBody>>;

/**
 * Streams the states of an open page: it is rendered again after its `changes`, for all viewers of the same scope
 * together, and sent if it differs from what was sent last. Ends for good with a final view. Also ends when the changes
 * end, when the visitor may not see the page any more, and when it cannot be shown: the page then reconnects, and the
 * answer says whether to stop.
 * @param isAdmitted checked before each rendering, and before each chunk that is sent
 */
export function livePage(
  page: Page,
  call: AnyPageCall,
  isAdmitted: StillAdmitted,
  renders: PageRenders,
): Response {
  return eventsWhileAdmitted(pageStates(page, call, isAdmitted, renders), isAdmitted);
}

function pageStates(
  page: Page,
  call: AnyPageCall,
  isAdmitted: StillAdmitted,
  renders: PageRenders,
): ReadableStream<Uint8Array> {
  const changes = new PageChanges(page.changes?.(call), () => renders.mark());
  const { shown, call: shared } = sharedCall(call);
  const encoder = new TextEncoder();
  let last = "";
  let isFinal = false;

  async function nextState(): Promise<string | null> {
    for (;;) {
      const changedAt = isFinal ? null : await changes.next();
      if (changedAt === null || !(await isAdmitted())) return null;
      const rendered = await renders.latest(shown, changedAt, () => renderedBody(page, shared));
      if (!rendered.ok) return null;
      isFinal = rendered.value.isFinal;
      const { html, csrf } = rendered.value;
      const own = html.replaceAll(csrf, call.visitor.csrf);
      if (own === last) continue;
      last = own;
      return own;
    }
  }

  async function next(): Promise<Step<Uint8Array>> {
    const html = await nextState();
    if (html === null) return { items: isFinal ? [encoder.encode(closeEvent)] : [], isLast: true };
    return { items: [encoder.encode(sseEvent(html))] };
  }

  return pulledStream({
    // A page that reconnects learns what is the matter, or finds it over.
    next: () =>
      next().catch((error: unknown) => {
        if (!unreached(error) && !budgetSpent(error)) throw error;
        return { items: [], isLast: true };
      }),
    release: (reason) => changes.cancel(reason),
  });
}

/**
 * A call for what all viewers of one scope are shown, with that scope and page as a key. It has nothing of the visitor but
 * what their token may do, so that nothing else can be in what is rendered for it.
 */
function sharedCall(call: AnyPageCall): { shown: Shown; call: AnyPageCall } {
  const { visitor, request, params, path, query, backend } = call;
  const {
    tokenId: _id,
    tokenName: _name,
    makers: _makers,
    session: _session,
    expiresAt: _expiresAt,
    ...scope
  } = visitor.identity;
  const { tokenId: _actorId, tokenName: _actorName, makers: _actorMakers, ...narrowed } = visitor.actor;
  const nobody = { tokenId: "", tokenName: "" };
  const actor = { ...narrowed, ...nobody };
  const key = [new URL(request.url).origin, path, [...query], scope, narrowed, visitor.caller.registryHost];
  const owner = [scope.account, backend?.service ?? params.service ?? null];
  return {
    shown: { key: JSON.stringify(key), owner: JSON.stringify(owner) },
    call: {
      ...call,
      request: new Request(request.url),
      forget: () => {},
      visitor: {
        identity: { ...scope, ...nobody },
        actor,
        caller: { actor, registryHost: visitor.caller.registryHost },
        credential: "",
        csrf: "",
      },
    },
  };
}

async function renderedBody(page: Page, call: AnyPageCall): Promise<Result<RenderedBody>> {
  const csrf = crypto.randomUUID();
  const shown = await page.show({ ...call, visitor: { ...call.visitor, csrf } });
  if (!shown.ok) return shown;
  const { body, isFinal = false } = shown.value;
  return ok({ html: await fragment(body), isFinal, csrf });
}
