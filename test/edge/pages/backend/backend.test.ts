import { describe, expect } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../../src/protocol/jamsocket/v2.ts";
import { environment } from "../../../../src/protocol/v3/services.ts";
import { call, createAccount, createService, createToken, send } from "../../../support/worker/api.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const test = pageTest
  .extend("service", { scope: "file", auto: true }, async ({ account, agentToken: _ }) => {
    const service = await createService(account);
    const { admin: token } = account;
    const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
    await call(z.looseObject({}), `${service}/images`, { token, json });
    for (const name of ["staging", "prod"]) {
      await call(environment, `${service}/environments`, { token, json: { name } });
    }
    return service;
  })
  /** Somebody who may only look. */
  .extend("reader", { scope: "file" }, async ({ account }) =>
    loggedIn((await createToken(account, { role: "read" })).secret_token),
  )
  /** Somebody who may spawn into `staging` only. */
  .extend("narrowed", { scope: "file" }, async ({ account, service: _ }) => {
    const scope = { role: "spawn", service: "hello", environments: ["staging"] } as const;
    return loggedIn((await createToken(account, { ...scope, environments: ["staging"] })).secret_token);
  })
  .extend("startBackend", { scope: "file" }, ({ account, service: _ }) => async (key?: string) => {
    const path = `/v2/service/${account.name}/hello/prod/connect`;
    const json = key === undefined ? {} : { key };
    return (await call(connectAnswer, path, { token: account.admin, json })).backend_id;
  })
  /** Reports a status as the agent does. */
  .extend(
    "report",
    { scope: "file" },
    ({ agentToken, cluster }) =>
      (id: string, status: string, more: object = {}) => {
        const spawned = cluster
          .of("backend.spawn")
          .flatMap(({ message }) => (message.type === "backend.spawn" ? message.data : []))
          .find((data) => data.backend_id === id);
        return call(z.looseObject({}), `/v3/agent/backends/${id}/status`, {
          token: agentToken,
          json: { status, fencing_token: spawned?.fencing_token, ...more },
        });
      },
  )
  /** Has the cluster stream lines as the output of every backend; until then there is none. */
  .extend("clusterPrints", { auto: true }, ({ cluster }) => {
    cluster.alwaysStreams(() => new Response(null, { status: 404 }));
    return (...lines: string[]) => {
      const body = lines.map((line) => `data: ${line}\n\n`).join("");
      cluster.alwaysStreams(() => new Response(body, { headers: { "content-type": "text/event-stream" } }));
    };
  })
  /** The text of a page or stream as the administrator gets it. */
  .extend(
    "textOf",
    { scope: "file" },
    ({ admin }) =>
      async (path: string) =>
        (await admin.visit(path)).html,
  );

async function stateOf(id: string): Promise<string> {
  const { status } = await call(z.looseObject({ status: z.string() }), `/v2/backend/${id}/status`);
  return status;
}

const markup = `<img src=x onerror=alert(1)>"'&`;
const streams = ["live/log", "live/usage", "log.txt"];

describe("the page of a backend", () => {
  test("says what the backend is, through which pin it was spawned, and where to go from it", async ({
    account,
    startBackend,
    textOf,
  }) => {
    const id = await startBackend();
    const text = await textOf(`/backend/${id}`);
    expect(text).toContain(`<h1>Backend ${id}</h1>`);
    expect(text).toContain(`href="/service/${account.name}/hello"`);
    expect(text).toContain(`href="/service/${account.name}/hello/environment/prod"`);
    expect(text).toContain(`href="/clusters/main"`);
    expect(text).toContain(`sha256:${"a".repeat(64)}`);
    expect(text).toMatch(/pin <code>latest<\/code>, revision 1/);
    expect(text).toContain(`https://${id}.cluster.test`);
    expect(text).toContain(`npx slipway backends logs ${id}`);
  });

  test("names no connection token", async ({ account, textOf }) => {
    const path = `/v2/service/${account.name}/hello/prod/connect`;
    const json = { key: "with a token" };
    const connected = await call(connectAnswer, path, { token: account.admin, json });
    const text = await textOf(`/backend/${connected.backend_id}`);
    expect(text).not.toContain(connected.token);
    expect(text).not.toContain(connected.secret_token);
  });

  test("escapes markup in a key, in its words and in the command to copy", async ({
    startBackend,
    textOf,
  }) => {
    const text = await textOf(`/backend/${await startBackend(markup)}`);
    expect(text).not.toContain("<img");
    expect(text).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(text).toContain("--key &#39;&lt;img");
  });

  test("shows its statuses with how long it was in each", async ({ startBackend, report, textOf }) => {
    const id = await startBackend();
    await report(id, "loading");
    await report(id, "ready");
    const text = await textOf(`/backend/${id}`);
    expect(text).toMatch(/loading: \d+ ms.*ready: \d+ ms so far/s);
    expect(text).toMatch(/ready after \d+ ms/);
  });

  test("shows how a backend ended, and offers no way to end it again", async ({
    startBackend,
    report,
    textOf,
  }) => {
    const id = await startBackend();
    expect(await textOf(`/backend/${id}`)).toContain("Terminate hard");
    await report(id, "terminated", { termination_reason: "internalerror", exit_code: 7 });
    const text = await textOf(`/backend/${id}`);
    expect(text).toContain("terminated, failed");
    expect(text).toContain("Its process exited with code 7.");
    expect(text).not.toContain('<button type="submit" name="do"');
    expect(text).not.toContain(`https://${id}.cluster.test`);
  });

  test("follows the statuses of a live backend, and stops for good at its end", async ({
    admin,
    startBackend,
    report,
    textOf,
  }) => {
    const id = await startBackend();
    expect(await textOf(`/backend/${id}`)).toContain(`hx-sse:connect="/backend/${id}?live="`);
    const answer = await admin.send(`/backend/${id}?live=`);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const next = async () => (await reader?.read())?.value ?? "";
    expect(await next()).not.toContain("ready after");
    await report(id, "ready");
    expect(await next()).toContain("ready after");
    await report(id, "terminated", { exit_code: 0 });
    const events = (await next()) + (await next());
    expect(events).toContain("How it ended");
    expect(events.endsWith("event: over\ndata: \n\n")).toBe(true);
    expect((await reader?.read())?.done).toBe(true);
    expect(await textOf(`/backend/${id}`)).not.toContain(`/backend/${id}?live=`);
  });

  test("is not found for an id of nobody's, nor for another account's", async ({ admin, startBackend }) => {
    const id = await startBackend();
    const stranger = loggedIn((await createAccount()).admin);
    for (const path of ["", ...streams.map((stream) => `/${stream}`)]) {
      expect((await admin.visit(`/backend/zzzzzzzzzzzzz${path}`)).status).toBe(404);
      expect((await stranger.visit(`/backend/${id}${path}`)).status).toBe(404);
    }
    expect((await stranger.submit(`/backend/${id}`, "terminate")).status).toBe(404);
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("is refused to a token that is narrowed to other environments, and so is all that belongs to it", async ({
    narrowed,
    startBackend,
    clusterPrints,
  }) => {
    const id = await startBackend();
    clusterPrints("secret of prod");
    for (const path of ["", ...streams.map((stream) => `/${stream}`)]) {
      const { status, html: text } = await narrowed.visit(`/backend/${id}${path}`);
      expect(status).toBe(403);
      expect(text).toContain("may only act on environments");
      expect(text).not.toContain("prod");
      expect(text).not.toContain("secret of prod");
    }
    expect((await narrowed.submit(`/backend/${id}`, "terminate")).status).toBe(403);
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("leads a person who is not logged in to the login, and ends the stream of a script for good", async ({
    startBackend,
  }) => {
    const id = await startBackend();
    for (const path of ["", ...streams.map((stream) => `/${stream}`)]) {
      const answer = await send(`/backend/${id}${path}`);
      expect(answer.status).toBe(303);
      expect(answer.headers.get("location")).toBe(
        `/login?next=${encodeURIComponent(`/backend/${id}${path}`)}`,
      );
    }
    const scripted = await send(`/backend/${id}/live/log`, { headers: { accept: "text/event-stream" } });
    expect(await scripted.text()).toBe("event: over\ndata: \n\n");
  });
});

describe("the forms of a backend's page", () => {
  test.for([
    ["terminate", "terminating", "it gets 30 s to finish"],
    ["terminate-hard", "hard-terminating", "was told to stop at once"],
  ] as const)(
    "`%s` makes it %s, and the page says so",
    async ([form, status, notice], { admin, startBackend, report, textOf }) => {
      const id = await startBackend();
      await report(id, "ready");
      const answer = await admin.submit(`/backend/${id}`, form);
      expect([answer.status, answer.location]).toEqual([303, `/backend/${id}`]);
      expect(await stateOf(id)).toBe(status);
      const text = await textOf(`/backend/${id}`);
      expect(text).toContain(notice);
      expect(text).toContain("Why it ends");
      expect(text).not.toContain(`value="terminate"`);
      expect(text.includes(`value="terminate-hard"`)).toBe(status === "terminating");
    },
  );

  test("are refused to a token without the right, with the reason, and change nothing", async ({
    reader,
    startBackend,
  }) => {
    const id = await startBackend();
    expect((await reader.visit(`/backend/${id}`)).html).toContain(
      "You cannot end it here: a token with the role",
    );
    const answer = await reader.submit(`/backend/${id}`, "terminate");
    expect(answer.status).toBe(403);
    expect(answer.html).toContain("a token with the role `read` may not do this");
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("are refused without the session's mark, and change nothing", async ({ admin, startBackend }) => {
    const id = await startBackend();
    for (const csrf of ["", "of another session"]) {
      expect((await admin.post(`/backend/${id}`, { csrf, do: "terminate" })).status).toBe(403);
    }
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("say of a backend that has ended that it is not running", async ({ admin, startBackend, report }) => {
    const id = await startBackend();
    await report(id, "terminated");
    const answer = await admin.submit(`/backend/${id}`, "terminate");
    expect(answer.status).toBe(409);
    expect(answer.html).toContain(`backend \`${id}\` is not running`);
  });
});

describe("the log on a backend's page", () => {
  test("is what the backend printed, without markup, colours or other control characters", async ({
    admin,
    startBackend,
    clusterPrints,
  }) => {
    const id = await startBackend();
    clusterPrints("\u001b[1;31mred\u001b[0m", markup, "  indented", "", "bell\u0007");
    const { headers, html: text } = await admin.visit(`/backend/${id}/live/log`);
    expect(headers.get("content-type")).toBe("text/event-stream");
    expect(text).toContain("red\ndata: &lt;img src=x");
    expect(text).toContain("\ndata:   indented\ndata: \ndata: bell\ufffd\n");
    expect(text).not.toContain("<img");
    expect(text).not.toContain("\u001b");
  });

  test("is never more than the newest 500 lines, each cut", async ({
    startBackend,
    clusterPrints,
    textOf,
  }) => {
    const id = await startBackend();
    clusterPrints(...Array.from({ length: 700 }, (_, i) => `line ${i}.`), "x".repeat(5_000));
    const text = await textOf(`/backend/${id}/live/log`);
    expect(text.match(/line \d+\./g)).toHaveLength(499);
    expect(text).toContain("line 699.");
    expect(text).toMatch(/[^x]x{2000} …/);
  });

  test("is requested again where a live backend's stream ends, and not where it has ended", async ({
    startBackend,
    report,
    clusterPrints,
    textOf,
  }) => {
    const id = await startBackend();
    clusterPrints("one");
    const live = await textOf(`/backend/${id}/live/log`);
    expect(live).toMatch(/^retry: \d+\n/);
    expect(live).not.toContain("event: over");
    await report(id, "terminated");
    const ended = await textOf(`/backend/${id}/live/log`);
    expect(ended).toContain("The backend has ended: this is the last of its output.");
    expect(ended).toMatch(/event: over\ndata: \n\n$/);
  });

  test("says that the cluster cannot be reached, and retries", async ({ cluster, startBackend, textOf }) => {
    const id = await startBackend();
    cluster.alwaysStreams(() => new Response(null, { status: 503 }));
    for (const stream of ["live/log", "live/usage"]) {
      const text = await textOf(`/backend/${id}/${stream}`);
      expect(text).toMatch(/^retry: 10000\n/);
      expect(text).toContain("Cluster `main` gave no");
      expect(text).not.toContain("event: over");
    }
  });

  test("says that the output of an ended backend is gone, and retries no more", async ({
    startBackend,
    report,
    clusterPrints,
    textOf,
  }) => {
    const id = await startBackend();
    await report(id, "terminated");
    const text = await textOf(`/backend/${id}/live/log`);
    expect(text).toContain("Nothing is left of it: cluster `main` has no logs");
    expect(text).toContain("event: over");
    clusterPrints();
    expect(await textOf(`/backend/${id}/live/log`)).toContain("cluster main has none of its output");
  });

  test("is to be had as plain text, which no browser takes for anything else", async ({
    admin,
    startBackend,
    clusterPrints,
  }) => {
    const id = await startBackend();
    clusterPrints("\u001b[32mgreen\u001b[0m", markup, ...Array.from({ length: 700 }, (_, i) => `line ${i}.`));
    const { headers, html: text } = await admin.visit(`/backend/${id}/log.txt`);
    expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(text.startsWith(`green\n${markup}\nline 0.\n`)).toBe(true);
    expect(text.endsWith("line 699.\n")).toBe(true);
  });

  test("as plain text is a page that says why, where there is none", async ({
    admin,
    cluster,
    startBackend,
  }) => {
    const id = await startBackend();
    cluster.alwaysStreams(() => new Response(null, { status: 503 }));
    const answer = await admin.visit(`/backend/${id}/log.txt`);
    expect(answer.status).toBe(503);
    expect(answer.html).toContain("Cluster `main` gave no logs");
  });
});

describe("the measurements on a backend's page", () => {
  const sample = { mem_used: 50_000_000, mem_available: 150_000_000, cpu_used: 5, sys_cpu: 200 };

  test("are the latest, with the limit of memory", async ({ startBackend, clusterPrints, textOf }) => {
    const id = await startBackend();
    clusterPrints("no measurement", JSON.stringify(sample), JSON.stringify({ ...sample, cpu_used: 25 }));
    const text = await textOf(`/backend/${id}/live/usage`);
    expect(text).toContain("2 measurements");
    expect(text).toMatch(/CPU.*12\.5 %.*7\.5 %.*12\.5 %.*Memory.*50 MB.*200 MB/s);
  });

  test("are not requested where the backend has ended", async ({
    startBackend,
    report,
    clusterPrints,
    textOf,
  }) => {
    const id = await startBackend();
    await report(id, "terminated");
    clusterPrints(JSON.stringify(sample));
    const text = await textOf(`/backend/${id}/live/usage`);
    expect(text).toContain("it uses nothing any more");
    expect(text).toContain("event: over");
    expect(text).not.toContain("measurements");
  });
});
