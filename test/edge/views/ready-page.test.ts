import { describe, expect, test } from "vitest";
import { failurePage } from "../../../src/edge/views/ready-page.ts";
import { apiOrigin, refusal, send } from "../../support/worker/api.ts";

describe("the page of a session that cannot be shown", () => {
  test("of a backend that does not exist is 404: JSON, and a page for a browser", async () => {
    const never = "/ready/0000000000000/x";
    expect((await refusal(never)).code).toBe("backend_not_found");
    const { error } = await refusal(never, { headers: { accept: "application/json" } });
    expect(error.status).toBe(404);
    const answer = await send(never, { headers: { accept: "text/html,*/*;q=0.8" } });
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    const page = await answer.text();
    expect(page).toContain("There is no such session");
    expect(page).toContain(answer.headers.get("x-request-id"));
    expect(page).not.toContain("refresh");
  });

  test("shows what stands for an id as a text", async () => {
    const path = `/ready/${encodeURIComponent("<script>alert(1)</script>")}`;
    const page = await (await send(path, { headers: { accept: "text/html" } })).text();
    expect(page).toContain("&lt;script&gt;");
    expect(page).not.toContain("<script");
  });

  test("looks again by itself where the answer is not to be had just now", async () => {
    const unavailable = Response.json(
      { error: { status: 503, code: "unavailable", message: "try again", id: "of the request" } },
      { status: 503, headers: { "retry-after": "7", "x-request-id": "of the request" } },
    );
    const request = new Request(`${apiOrigin}/ready/x`, { headers: { accept: "text/html" } });
    const answer = await failurePage(request, unavailable);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "7"]);
    expect(await answer.text()).toContain('<meta http-equiv="refresh" content="7">');
  });
});
