import { errorStatus } from "../../../domain/errors.ts";
import { type Failure, fail, type Result } from "../../../domain/result.ts";
import { pageAnswer } from "../frame/page-answer.tsx";
import { readForm } from "../frame/run-page.tsx";
import { cookieHeader, csrfToken, readCookie } from "../frame/session.ts";
import type { View } from "../frame/view.ts";

export const foreignForm = fail(
  "forbidden",
  "this form was not made for this browser, or is too old: open the page again",
);

/** The fields of a form that was rendered for this browser, without a session. */
export async function ownForm(request: Request): Promise<Result<Record<string, string>>> {
  const visitor = readCookie(request, "visitor");
  const fields = await readForm(request);
  if (!fields.ok) return fields;
  const isOwn = visitor && fields.value.csrf === (await csrfToken(visitor));
  return isOwn ? fields : foreignForm;
}

/** A page for visitors without a session. Its forms are bound to the browser by a cookie of their own. */
export async function publicPage(
  request: Request,
  view: (csrf: string) => View,
  failure?: Failure,
): Promise<Response> {
  const visitor = readCookie(request, "visitor") || crypto.randomUUID();
  return pageAnswer(
    request,
    {
      ...view(await csrfToken(visitor)),
      visitor: null,
      path: new URL(request.url).pathname,
      ...(failure ? { notice: { kind: "refused", text: failure.message } } : {}),
    },
    {
      status: failure ? errorStatus[failure.code] : 200,
      headers: { "set-cookie": cookieHeader(request, "visitor", visitor) },
    },
  );
}
