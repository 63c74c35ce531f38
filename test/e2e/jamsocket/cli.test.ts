import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createdToken } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { environment, service } from "../../../src/protocol/v3/services.ts";
import { call, connectToDemo, untilStatus } from "../../support/api.ts";
import { startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { makeFolder } from "../../support/folder.ts";
import { type Jamsocket, jamsocketOf, shown } from "../../support/jamsocket.ts";
import { type LocalSystem, startLocalSystem } from "../../support/local-system.ts";
import { share } from "../../support/shared.ts";

const demo = "/v3/accounts/demo/services/hello-world";
const digest = `sha256:${"5".repeat(64)}`;

let system: LocalSystem;
let jamsocket: Jamsocket;

/** Runs a command that is to succeed. @returns what it showed */
async function succeed(...args: string[]): Promise<string> {
  const ended = await jamsocket(...args);
  expect(ended.exitCode, ended.output).toBe(0);
  return ended.stdout;
}

/** Runs a command that is to fail. @returns what it showed, as one line */
async function refused(...args: string[]): Promise<string> {
  const ended = await jamsocket(...args);
  expect(ended.exitCode, ended.output).not.toBe(0);
  return ended.stderr.replace(/\s+/g, " ");
}

async function connectReady(...args: string[]): Promise<string> {
  const output = await succeed("connect", ...args);
  await untilStatus(shown(output, "status url"), "ready");
  return output;
}

function environmentOf(name: string) {
  return call(system.local, environment, `${demo}/environments/${name}`);
}

share({
  async start(stack) {
    const folder = stack.use(await makeFolder());
    system = stack.use(await startLocalSystem(join(folder.path, "state")));
    jamsocket = await jamsocketOf(folder.path, system.local.api_url);
    await succeed("login", "--token", system.local.token);
  },
});

describe("login", () => {
  test("a token logs in to its account", async () => {
    await using home = await makeFolder();
    const newcomer = await jamsocketOf(home.path, system.local.api_url);
    const before = await newcomer("service", "list");
    expect(before.stderr).toContain("No user credentials found. Log in with jamsocket login");

    const login = await newcomer("login", "--token", system.local.token);
    expect(login.stdout).toContain('Logged in using API token as "demo"');
    expect((await newcomer("service", "list")).stdout).toContain("hello-world");
    expect((await newcomer("login")).stdout).toContain("You are already logged in as account demo");
    expect((await newcomer("logout")).stdout).toContain("Logged out");
  });

  test.each(["demo_0123456789ab.not-the-secret", "nobody_0123456789ab.secret", "not.a.token"])(
    "%s is not accepted",
    async (token) => {
      await using home = await makeFolder();
      const stranger = await jamsocketOf(home.path, system.local.api_url);
      const { exitCode, stderr } = await stranger("login", "--token", token);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("401 - unauthorized: the token is malformed, unknown, revoked or expired");
    },
  );

  test("a token that may only read is refused with what it lacks", async () => {
    await using home = await makeFolder();
    const { secret_token } = await call(system.local, createdToken, "/v3/accounts/demo/tokens", {
      json: { name: "a reader", role: "read" },
    });
    const reader = await jamsocketOf(home.path, system.local.api_url);
    expect((await reader("login", "--token", secret_token)).exitCode).toBe(0);
    expect((await reader("service", "list")).stdout).toContain("hello-world");
    const { exitCode, stderr } = await reader("connect", "hello-world/prod");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("403 - forbidden: a token with the role `read` may not do this");
  });
});

describe("services", () => {
  test("a service is created, listed, described and deleted", async () => {
    expect(await succeed("service", "create", "notes")).toContain("Created service: notes");
    expect((await succeed("service", "list")).split("\n")).toEqual(
      expect.arrayContaining(["hello-world", "notes"]),
    );
    const info = await succeed("service", "info", "notes");
    expect(info).toContain("Service: notes\n  account: demo\n");
    expect(info).toContain("  last spawn: -\n  last image push: -\n");
    expect(info).toContain("  cluster: local-staging\n  image tag/digest: latest\n");
    expect(await succeed("service", "images", "notes")).toContain("No images found for this service.");

    expect(await succeed("service", "delete", "notes", "-y")).toContain("Deleted service: notes");
    expect(await succeed("service", "list")).not.toContain("notes");
    expect(await refused("service", "info", "notes")).toContain(
      "404 - service_not_found: service `notes` not found; nearest: `hello-world`",
    );
  });

  test("a name that is taken or bad is refused", async () => {
    expect(await refused("service", "create", "hello-world")).toContain(
      "409 - already_exists: service `hello-world` exists already",
    );
    expect(await refused("service", "create", "Hello_World")).toContain(
      "a name is 1 to 40 characters of a-z",
    );
  });

  test("images lists every push, newest first", async () => {
    const rows = (await succeed("service", "images", "hello-world"))
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([first]) => first?.startsWith("sha256:"));
    const repository = `${new URL(system.local.api_url).host}/demo/hello-world`;
    expect(rows.map(([, tag, , repository]) => [tag, repository])).toEqual([
      ["latest", repository],
      ["v2", repository],
      ["v1", repository],
    ]);
    expect(rows[0]?.[0]).toBe((await environmentOf("staging")).digest);
    expect(rows[2]?.[0]).toBe((await environmentOf("prod")).digest);
  });
});

describe("pins", () => {
  test("an environment is pinned to a tag, which service info shows beside the other environments", async () => {
    await call(system.local, environment, `${demo}/environments`, {
      json: { name: "qa", cluster: "local-prod" },
    });
    expect(await succeed("service", "use-image", "hello-world/qa", "-i", "v2")).toContain(
      "Updated hello-world/qa to use image v2",
    );
    const info = await succeed("service", "info", "hello-world");
    expect(info).toContain("  qa\n    cluster: local-prod\n    image tag/digest: v2\n    last spawned: -\n");
    expect(info).toContain("  prod\n    cluster: local-prod\n    image tag/digest: v1\n");
    expect(await connectReady("hello-world/qa").then(pageShown)).toContain("hello-world v2 · qa");
  });

  test("an environment that is pinned to a digest stays there when the tag moves on", async () => {
    const { digest: v1 } = await environmentOf("prod");
    await call(system.local, service, "/v3/accounts/demo/services", { json: { name: "pinned" } });
    const images = "/v3/accounts/demo/services/pinned/images";
    const repository = `${new URL(system.local.api_url).host}/demo/hello-world`;
    await call(system.local, image, images, { json: { digest: v1, tag: "latest", repository } });

    expect(await succeed("service", "use-image", "pinned", "-i", v1 ?? "")).toContain(`to use image ${v1}`);
    await call(system.local, image, images, { json: { digest, tag: "latest" } });
    expect(await succeed("service", "info", "pinned")).toContain(`  image tag/digest: ${v1}\n`);
    expect(await connectReady("pinned").then(pageShown)).toContain("hello-world v1 · default");
  });

  test("an environment or image that does not exist is refused with those that do", async () => {
    expect(await refused("service", "use-image", "hello-world/prdo", "-i", "v2")).toMatch(
      /404 - environment_not_found: environment `prdo` not found; this service has .*`prod`/,
    );
    expect(await refused("service", "use-image", "hello-world/prod", "-i", "v3")).toMatch(
      /404 - image_not_found: no image with the tag `v3` .* nearest tags: `v\d`, `v\d`/,
    );
    expect(await refused("service", "use-image", "hello-world/prod", "-i", digest)).toContain(
      `404 - image_not_found: no image with digest \`${digest}\` was pushed to this service`,
    );
    expect((await environmentOf("prod")).image).toBe("v1");
  });
});

describe("connect", () => {
  test("a key is held by one backend: the second connect gets the first one's", async () => {
    const first = await connectReady("hello-world/prod", "-k", "doc-1");
    expect(first).toContain("Backend spawned!");
    expect(shown(first, "spawned")).toBe("true");
    expect(shown(first, "backend status")).toBe("scheduled");
    const second = await succeed("connect", "hello-world/prod", "--key", "doc-1");
    expect(shown(second, "spawned")).toBe("false");
    expect(shown(second, "backend status")).toBe("ready");
    expect(shown(second, "backend id")).toBe(shown(first, "backend id"));
    expect(await pageShown(second)).toContain("<dd>doc-1</dd>");

    const elsewhere = await succeed("connect", "hello-world/staging", "-k", "doc-1");
    expect(shown(elsewhere, "spawned")).toBe("true");
  });

  test("--no-spawn finds the holder of a key and starts nothing", async () => {
    expect(await refused("connect", "hello-world/prod", "-k", "doc-2", "--no-spawn")).toContain(
      "404 - key_not_held: no live backend of environment `prod` holds the key `doc-2`",
    );
    const holder = await succeed("connect", "hello-world/prod", "-k", "doc-2");
    const found = await succeed("connect", "hello-world/prod", "-k", "doc-2", "--no-spawn");
    expect(shown(found, "spawned")).toBe("false");
    expect(shown(found, "backend id")).toBe(shown(holder, "backend id"));
  });

  test("tag, cluster, user and auth choose what runs, where, and who the backend sees", async () => {
    const output = await connectReady(
      ...["hello-world/prod", "-t", "v2", "-c", "local-staging", "-u", "ada", "-a", '{"role":"editor"}'],
    );
    expect(output).not.toContain("spawned: ");
    const staging = system.local.clusters.find(({ name }) => name === "local-staging");
    expect(shown(output, "backend url").startsWith(`${staging?.agent_url}/`)).toBe(true);
    const page = await pageShown(output);
    expect(page).toContain("hello-world v2 · prod");
    expect(page).toContain("<dd>ada</dd>");

    const [, claims = ""] = new URL(shown(output, "backend url")).pathname.split("/")[2]?.split(".") ?? [];
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
      sub: shown(output, "backend id"),
      aud: "demo/local-staging",
      user: "ada",
      auth: { role: "editor" },
    });
  });

  test("environment variables and limits reach the cluster", async () => {
    await using cluster = await startRecordingCluster();
    await call(system.local, createdCluster, "/v3/accounts/demo/clusters", {
      json: { name: "recording", webhook_url: `${cluster.url}/webhook` },
    });
    const output = await succeed(
      ...["connect", "hello-world/prod", "-c", "recording", "-e", "COLOUR=green", "-e", "SUM=1+1=2"],
      ...["-l", "600", "-i", "60"],
    );
    const [spawn] = cluster.messages.flatMap((message) =>
      message.type === "backend.spawn" ? [message.data] : [],
    );
    expect(spawn).toMatchObject({
      backend_id: shown(output, "backend id"),
      environment: "prod",
      env: { COLOUR: "green", SUM: "1+1=2" },
      limits: { lifetime_limit_seconds: 600, max_idle_seconds: 60 },
    });
    expect(shown(output, "backend url").startsWith(`${cluster.url}/b/`)).toBe(true);
  });

  test("the ready url leads to the backend", async () => {
    const output = await connectReady("hello-world/staging");
    const answer = await fetch(shown(output, "ready url"));
    expect(answer.url).toBe(shown(output, "backend url"));
    expect(await answer.text()).toContain("hello-world v2 · staging");
  });

  test("what cannot be is refused with a reason that names what can", async () => {
    expect(await refused("connect", "hello-world")).toMatch(
      /400 - environment_required: name the environment: this service has .*`staging`, `prod`/,
    );
    expect(await refused("connect", "hello-world/prdo")).toMatch(/environment `prdo` not found; .*`prod`/);
    expect(await refused("connect", "helo-world/prod")).toContain(
      "service `helo-world` not found; nearest: `hello-world`",
    );
    expect(await refused("connect", "hello-world/prod", "-c", "moon")).toContain(
      "cluster `moon` not found; this account has `local-staging`, `local-prod`",
    );
    expect(await refused("connect", "hello-world/prod", "-e", "PORT=80")).toContain(
      "env variable `PORT` is reserved",
    );
    expect(await refused("connect", "hello-world/prod", "-k", "k".repeat(129))).toContain(
      "a key has at most 128 characters",
    );
    expect(await refused("connect", "hello-world/prod", "-a", '"text"')).toContain("`auth`");
    expect(await refused("connect", "hello-world/prod", "-l", "0")).toContain("lifetime_limit_seconds");
  });

  test("text outside ASCII, which this CLI cuts short, is refused with the reason and changes nothing", async () => {
    expect(await refused("connect", "hello-world/prod", "-k", "schlüssel")).toContain(
      "This version of the CLI sends Content-Length in characters, so a body with text outside ASCII arrives cut short",
    );
    expect(await refused("connect", "hello-world/prod", "-u", "Zoë")).toContain("use ASCII only");
    expect(await succeed("backend", "list")).not.toContain("schl");
  });

  test("spawn, its predecessor, goes through the same environments and keys", async () => {
    const first = await succeed("spawn", "hello-world/staging", "-e", "A=1", "-g", "60", "-l", "lock-1");
    expect(shown(first, "spawned")).toBe("true");
    expect(shown(first, "status url")).toBe(
      `${system.local.api_url}/backend/${shown(first, "backend ID")}/status`,
    );
    const again = await succeed("connect", "hello-world/staging", "-k", "lock-1");
    expect(shown(again, "spawned")).toBe("false");
    expect(shown(again, "backend id")).toBe(shown(first, "backend ID"));
    expect(await refused("spawn", "hello-world")).toContain("environment_required");
  });
});

describe("backends", () => {
  test("list shows live backends with their service, status and key", async () => {
    const { backend_id } = await connectToDemo(system.local, "prod", { key: "listed" });
    const row = (await succeed("backend", "list")).split("\n").find((line) => line.includes(backend_id));
    expect(row).toMatch(/ less than a minute ago +demo +hello-world +ready \(less than a minute\) +listed/);
  });

  test("info shows where a backend runs, what and since when", async () => {
    const { backend_id } = await connectToDemo(system.local, "prod", { key: "described" });
    const info = await succeed("backend", "info", backend_id);
    const { digest: v1 } = await environmentOf("prod");
    expect(info).toContain(`Info for backend: ${backend_id}\n`);
    expect(info).toContain("cluster:      local-prod\n");
    expect(info).toContain(`image digest: ${v1}\n`);
    expect(info).toContain("key:          described\nenvironment:  prod\n");
    expect(statusesOf(info)).toEqual(["scheduled", "loading", "starting", "waiting", "ready"]);
    expect(await refused("backend", "info", "0000000000000")).toContain("backend `0000000000000` not found");
  });

  test("logs shows what a backend has printed, and ends with it", async () => {
    const { backend_id } = await connectToDemo(system.local, "prod", { key: "printing" });
    const logs = succeed("logs", backend_id);
    await succeed("terminate", backend_id);
    expect(await logs).toContain(`demo v1 serves backend ${backend_id}\n`);
    expect(await refused("logs", "0000000000000")).toContain("backend `0000000000000` not found");
  });

  test("terminate ends a backend, and says so when it has ended already", async () => {
    const { backend_id, status_url } = await connectToDemo(system.local, "prod", { key: "ended" });
    expect(await succeed("terminate", backend_id)).toContain(
      `Termination requested for backend: ${backend_id}`,
    );
    await untilStatus(status_url, "terminated");
    expect(await succeed("backend", "info", backend_id)).toMatch(
      /terminated \(reason: external, kind: soft, exit code: 0\)/,
    );
    const again = await jamsocket("backend", "terminate", backend_id);
    expect(again.exitCode).toBe(0);
    expect(again.stderr).toContain(`Warning: Backend ${backend_id} has already terminated. Skipping...`);

    const next = await succeed("connect", "hello-world/prod", "-k", "ended");
    expect(shown(next, "spawned")).toBe("true");
  });

  test("terminate --force ends backends at once, several of them in one command", async () => {
    const backends = await Promise.all([1, 2].map(() => connectToDemo(system.local, "staging")));
    await succeed("terminate", "--force", ...backends.map(({ backend_id }) => backend_id));
    for (const { backend_id, status_url } of backends) {
      await untilStatus(status_url, "terminated");
      expect(await succeed("backend", "info", backend_id)).toMatch(
        /terminated \(reason: external, kind: hard, exit code: 137\)/,
      );
    }
  });

  test("terminate says which backend it could not end", async () => {
    expect(await refused("terminate", "0000000000000")).toContain(
      "Failed to request termination for backend: 0000000000000",
    );
  });
});

async function pageShown(output: string): Promise<string> {
  const page = await fetch(shown(output, "backend url"));
  return z.string().parse(await page.text());
}

function statusesOf(info: string): (string | undefined)[] {
  const [, statuses = ""] = info.split("Statuses:\n");
  return statuses
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/)[1]);
}
