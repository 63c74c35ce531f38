import { expect, test } from "vitest";
import { page } from "../../../src/local/demo/page.ts";
import { sessionOf, verifiedUser } from "../../../src/local/demo/session.ts";

const look = { version: "v9", tagline: "A test.", accent: "#000", background: "#fff", hasNotes: false };
const session = sessionOf({
  SESSION_BACKEND_ID: "k3f9q7h3kq2m9",
  SESSION_BACKEND_KEY: "<b>key</b>",
  SLIPWAY_ENVIRONMENT: "prod",
  SLIPWAY_IMAGE: "v9",
  SLIPWAY_IMAGE_DIGEST: "sha256:abc",
});

test("what comes from outside is shown as text", () => {
  const shown = page(look, session, '"><script>alert(1)</script>');
  expect(shown).toContain("<dd>&lt;b&gt;key&lt;/b&gt;</dd>");
  expect(shown).toContain("<dd>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</dd>");
  expect(shown.match(/<script>/g)).toHaveLength(1);
});

test("only a version with notes shows a field for them", () => {
  expect(page(look, session, null)).not.toContain("<textarea");
  expect(page({ ...look, hasNotes: true }, session, null)).toContain("<textarea");
});

test("no address on the page leaves the backend's own path", () => {
  expect(page(look, session, null)).not.toMatch(/(href|src|action)="(\/|https?:)/);
});

test.each([
  [{ "x-verified-username": "Zo%C3%AB" }, "Zoë"],
  [{ "x-verified-username": "100%25" }, "100%"],
  [{ "x-verified-username": "ada" }, "ada"],
  [{ username: "mallory" }, null],
])("the user of a connection with %j is %j", (headers, user) => {
  expect(verifiedUser(headers)).toBe(user);
});
