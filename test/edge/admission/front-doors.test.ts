import { env } from "cloudflare:workers";
import { html } from "hono/html";
import { beforeAll, describe, expect, test } from "vitest";
import { ok } from "../../../src/domain/result.ts";
import { newIsolateState } from "../../../src/edge/admission/isolate-state.ts";
import { definePage } from "../../../src/edge/pages/frame/page.ts";
import { runPage } from "../../../src/edge/pages/frame/run-page.tsx";
import { SharedRenders } from "../../../src/edge/pages/frame/shared-renders.ts";
import {
  apiOrigin,
  createAccount,
  createService,
  createToken,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { basic, sendOci } from "../../support/worker/registry.ts";

type Decision = "admitted" | "unauthenticated" | "forbidden" | "not found";

/** What is done to the service `hello` of an account: looked at, or changed. */
interface Attempt {
  does: "read" | "deploy";
  /** As a client would send it; undefined sends none. */
  token: string | undefined;
  account: string;
}

/** A page of each right, as the dashboard's pages declare theirs. */
const pageThat = (action: Attempt["does"]) =>
  definePage({
    path: "/service/:account/:service",
    action,
    show: async () => ok({ title: "A page", body: html`<p>shown</p>` }),
  });

const doors: Record<string, (attempt: Attempt) => Promise<Response>> = {
  "the API, with a bearer token": ({ does, token, account }) =>
    send(`/v3/accounts/${account}/services/hello`, {
      ...(token === undefined ? {} : { token }),
      ...(does === "read" ? {} : { method: "PATCH", json: { default_environment: "default" } }),
    }),
  "a page, with a session's cookie": ({ does, token, account }) =>
    runPage(
      pageThat(does),
      {
        env,
        params: { account, service: "hello" },
        request: new Request(`${apiOrigin}/service/${account}/hello`, {
          headers: token === undefined ? {} : { cookie: `slipway_session=${token}` },
        }),
      },
      newIsolateState(Date.now),
      new SharedRenders(),
    ),
  "the registry, by HTTP Basic": ({ does, token, account }) =>
    sendOci(`/v2/${account}/hello/${does === "read" ? "tags/list" : "blobs/uploads/"}`, {
      method: does === "read" ? "GET" : "POST",
      ...(token === undefined ? {} : { authorization: basic(token.split("_")[0] ?? "", token) }),
    }),
  "the registry, with a bearer token": ({ does, token, account }) =>
    sendOci(`/v2/${account}/hello/${does === "read" ? "tags/list" : "blobs/uploads/"}`, {
      method: does === "read" ? "GET" : "POST",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }),
};

/** The decision behind an answer, whose words and headers are each front door's own. */
async function decisionOf(answer: Response): Promise<Decision> {
  const { status, headers } = answer;
  await answer.text();
  if (status === 401 && headers.has("www-authenticate")) return "unauthenticated";
  if (status === 303 && headers.get("location")?.startsWith("/login")) return "unauthenticated";
  if (status === 403) return "forbidden";
  if (status === 404) return "not found";
  if (answer.ok) return "admitted";
  throw new Error(`no decision: ${status}`);
}

let owner: TestAccount;
let intruder: TestAccount;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  owner = await createAccount("owner");
  intruder = await createAccount("intruder");
  for (const account of [owner, intruder]) {
    await createService(account);
    await createService(account, "other");
  }
  const make = async (name: string, token: Parameters<typeof createToken>[1]) => {
    const { id, secret_token } = await createToken(owner, token);
    tokens[name] = secret_token;
    return id;
  };
  await make("deploy", { role: "deploy" });
  await make("read", { role: "read" });
  await make("narrowed to the service", { role: "deploy", service: "hello" });
  await make("narrowed to another service", { role: "deploy", service: "other" });
  await make("narrowed to an environment", { role: "deploy", service: "hello", environments: ["default"] });
  const revoked = await make("revoked", { role: "admin" });
  await send(`/v3/accounts/owner/tokens/${revoked}`, { method: "DELETE", token: owner.admin });
  tokens.admin = owner.admin;
  tokens.malformed = "nonsense";
  tokens["of an unknown id"] = `owner_${"0".repeat(12)}.${"A".repeat(43)}`;
  tokens["with another secret"] = `${owner.admin.slice(0, owner.admin.indexOf("."))}.${"A".repeat(43)}`;
  tokens["of an account that does not exist"] = `nobody_${"0".repeat(12)}.${"A".repeat(43)}`;
  tokens["of another account"] = intruder.admin;
});

/** What each credential may do to the service `hello` of the account `owner`. */
const table: [credential: string, mayRead: Decision, mayDeploy: Decision][] = [
  ["none", "unauthenticated", "unauthenticated"],
  ["malformed", "unauthenticated", "unauthenticated"],
  ["of an unknown id", "unauthenticated", "unauthenticated"],
  ["with another secret", "unauthenticated", "unauthenticated"],
  ["of an account that does not exist", "unauthenticated", "unauthenticated"],
  ["revoked", "unauthenticated", "unauthenticated"],
  ["of another account", "not found", "not found"],
  ["narrowed to another service", "forbidden", "forbidden"],
  ["narrowed to an environment", "admitted", "forbidden"],
  ["narrowed to the service", "admitted", "admitted"],
  ["read", "admitted", "forbidden"],
  ["deploy", "admitted", "admitted"],
  ["admin", "admitted", "admitted"],
];

describe.each(Object.entries(doors))("at %s", (_, enter) => {
  test.each(table)("a credential that is %s: to read is %s, to deploy is %s", async (name, ...decisions) => {
    const token = tokens[name];
    expect(token === undefined).toBe(name === "none");
    const made: Decision[] = [];
    for (const does of ["read", "deploy"] as const) {
      made.push(await decisionOf(await enter({ does, token, account: "owner" })));
    }
    expect(made).toEqual(decisions);
  });

  test("another account and one that does not exist are answered alike", async () => {
    const answers = await Promise.all(
      ["owner", "nobody"].map(async (account) => {
        const answer = await enter({ does: "read", token: intruder.admin, account });
        const text = (await answer.text()).replaceAll(account, "…");
        return [answer.status, text.replaceAll(/"id":"[^"]*"/g, "")];
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
  });
});
