import { randomBytes } from "node:crypto";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../../support/api.ts";
import { type Docker, type DockerEngine, startDockerEngine } from "../../support/docker/engine.ts";
import { makeFolder } from "../../support/folder.ts";
import { type Jamsocket, jamsocketOf } from "../../support/jamsocket.ts";
import { pathOf } from "../../support/programs.ts";
import { startCountingProxy } from "../../support/registry/counting-proxy.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../../support/registry/deployment.ts";
import { share } from "../../support/shared.ts";

const largeLayerBytes = 150_000_000;
const killedLayerBytes = 60_000_000;
const bytesBeforeTheKill = 20_000_000;
const largeTestTimeoutMs = 120_000;

let deployment: RegistryDeployment;
let engine: DockerEngine;
let docker: Docker;
let jamsocket: Jamsocket;
/** Where this file's person has a home and builds images. */
let home: string;

share({
  programs: ["dockerd", "docker", "busybox"],
  async start(stack) {
    engine = stack.use(await startDockerEngine());
    deployment = stack.use(await startRegistryDeployment());
    home = stack.use(await makeFolder()).path;
    docker = engine.dockerOf(home);
    jamsocket = await jamsocketOf(home, deployment.api.api_url, engine.env);
    for (const service of ["hello", "other"]) await deployment.createService(service);
    await succeed("login", deployment.host, "-u", "acme", "-p", deployment.api.token);
  },
});

/** Runs a command of docker that is to succeed. @returns what it printed */
async function succeed(...args: string[]): Promise<string> {
  const ended = await docker(...args);
  expect(ended.exitCode, ended.output).toBe(0);
  return ended.output;
}

const imageName = (repository: string, tag: string) => `${deployment.host}/acme/${repository}:${tag}`;

/** Builds an image whose command prints a text, with a file beside it if there is one, under names. */
async function build(text: string, names: readonly string[], file?: Buffer): Promise<void> {
  const context = join(home, `context-${text}`);
  await mkdir(context, { recursive: true });
  await copyFile(pathOf("busybox") ?? "", join(context, "busybox"));
  const lines = ["FROM scratch", "COPY busybox /bin/busybox"];
  if (file) {
    await writeFile(join(context, "file"), file);
    lines.push("COPY file /file");
  }
  lines.push(`CMD ["/bin/busybox", "echo", "this is ${text}"]`);
  await writeFile(join(context, "Dockerfile"), lines.join("\n"));
  await succeed("build", "--quiet", ...names.flatMap((name) => ["--tag", name]), context);
}

/** Pushes a name. @returns what was printed, and the digest in it */
async function push(name: string): Promise<{ digest: string; output: string }> {
  const output = await succeed("push", name);
  const [, digest] = /digest: (sha256:[0-9a-f]{64})/.exec(output) ?? [];
  if (digest === undefined) throw new Error(`no digest in: ${output}`);
  return { digest, output };
}

const runOnce = (image: string) => succeed("run", "--rm", "--network", "none", image);

describe("images", () => {
  test("two versions are pushed, and pulled by tag and by digest on an emptied engine", async () => {
    await build("v1", [imageName("hello", "v1")]);
    await build("v2", [imageName("hello", "v2"), imageName("hello", "latest")]);
    const v1 = await push(imageName("hello", "v1"));
    const v2 = await push(imageName("hello", "v2"));
    const latest = await push(imageName("hello", "latest"));
    expect(latest.digest).toBe(v2.digest);
    expect(v1.digest).not.toBe(v2.digest);

    await engine.empty();
    expect(await succeed("pull", imageName("hello", "v1"))).toContain(`Digest: ${v1.digest}`);
    expect(await runOnce(imageName("hello", "v1"))).toBe("this is v1\n");
    expect(await succeed("pull", imageName("hello", "latest"))).toContain(`Digest: ${v2.digest}`);
    expect(await runOnce(imageName("hello", "latest"))).toBe("this is v2\n");

    await engine.empty();
    const byDigest = `${deployment.host}/acme/hello@${v1.digest}`;
    expect(await succeed("pull", byDigest)).toContain("Pull complete");
    expect(await runOnce(byDigest)).toBe("this is v1\n");
  });

  test("a layer of 150 MB is pushed once, and pulled on an emptied engine", {
    timeout: largeTestTimeoutMs,
  }, async () => {
    const name = imageName("hello", "large");
    await build("large", [name], randomBytes(largeLayerBytes));
    const first = await push(name);
    expect(first.output).toContain("Pushed");

    const again = await push(name);
    expect(again.digest).toBe(first.digest);
    expect(again.output).toContain("Layer already exists");
    expect(again.output).not.toContain("Pushed");

    await engine.empty();
    expect(await succeed("pull", name)).toContain(`Digest: ${first.digest}`);
    expect(await runOnce(name)).toBe("this is large\n");
  });

  test("layers that another service of the account has are mounted, not sent", async () => {
    await build("mounted", [imageName("hello", "mounted")]);
    const { digest } = await push(imageName("hello", "mounted"));
    await succeed("tag", imageName("hello", "mounted"), imageName("other", "mounted"));
    const other = await push(imageName("other", "mounted"));
    expect(other.digest).toBe(digest);
    expect(other.output).toContain("Mounted from acme/hello");
    expect(other.output).not.toContain("Pushed");

    await engine.empty();
    await succeed("pull", imageName("other", "mounted"));
    expect(await runOnce(imageName("other", "mounted"))).toBe("this is mounted\n");
  });
});

describe("refusals that say what is wrong", () => {
  /** Tries to push a small image. @returns what docker printed */
  async function refusedPush(pusher: Docker, repository: string): Promise<string> {
    const name = imageName(repository, "refused");
    await build("refused", [name]);
    const ended = await pusher("push", name);
    expect(ended.exitCode, ended.output).toBe(1);
    return ended.stderr;
  }

  test("a push to a service that does not exist", async () => {
    expect(await refusedPush(docker, "nowhere")).toContain(
      "name unknown: repository `acme/nowhere` not found; its service must be created first",
    );
  });

  test("a push to another account's name, in the same words", async () => {
    const name = `${deployment.host}/someone/hello:refused`;
    await build("refused", [name]);
    const ended = await docker("push", name);
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain("name unknown: repository `someone/hello` not found");
  });

  test("a wrong token, at the login and at the push", async () => {
    await using stranger = await makeFolder();
    const theirs = engine.dockerOf(stranger.path);
    const wrong = `${deployment.api.token.slice(0, -4)}0000`;
    const login = await theirs("login", deployment.host, "-u", "acme", "-p", wrong);
    expect(login.exitCode).toBe(1);
    expect(login.stderr).toContain("the credentials are malformed, unknown, revoked or expired");

    await mkdir(join(stranger.path, ".docker"), { recursive: true });
    const auth = Buffer.from(`acme:${wrong}`).toString("base64");
    const config = JSON.stringify({ auths: { [deployment.host]: { auth } } });
    await writeFile(join(stranger.path, ".docker", "config.json"), config);
    expect(await refusedPush(theirs, "hello")).toMatch(
      /unauthorized: the credentials are malformed, unknown, revoked or expired/,
    );
  });

  test("a push with a token that may only read", async () => {
    await using stranger = await makeFolder();
    const theirs = engine.dockerOf(stranger.path);
    const read = await deployment.createToken("read");
    const login = await theirs("login", deployment.host, "-u", "acme", "-p", read);
    expect(login.exitCode, login.output).toBe(0);
    expect(await refusedPush(theirs, "hello")).toContain(
      "denied: this token may not push here: its role or its service forbid it",
    );
  });
});

describe("what environments run", () => {
  test("a spawn after a push of `latest` runs it; an environment pinned to a digest does not move", async () => {
    await deployment.createService("moving");
    const latest = imageName("moving", "latest");
    await build("first", [latest]);
    const first = await push(latest);
    await call(deployment.api, environment, "/v3/accounts/acme/services/moving/environments", {
      json: { name: "frozen", image: first.digest },
    });
    expect(await deployment.spawnedDigest("moving", "default")).toBe(first.digest);

    await build("second", [latest]);
    const second = await push(latest);
    expect(second.digest).not.toBe(first.digest);
    expect(await deployment.spawnedDigest("moving", "default")).toBe(second.digest);
    expect(await deployment.spawnedDigest("moving", "frozen")).toBe(first.digest);
  });

  test("spawns that run beside pushes never run less than the last push that had returned", async () => {
    await deployment.createService("racing");
    const latest = imageName("racing", "latest");
    const versions = ["a", "b", "c", "d", "e", "f"];
    for (const version of versions) await build(`racing-${version}`, [`racing:${version}`]);
    /** The digests of pushes that have returned, oldest first. */
    const returned: string[] = [];
    const spawns: { returnedBefore: number; digest: string }[] = [];

    async function pushAll(): Promise<void> {
      for (const version of versions.slice(1)) {
        await succeed("tag", `racing:${version}`, latest);
        returned.push((await push(latest)).digest);
      }
    }
    async function spawnUntilAllArePushed(): Promise<void> {
      while (returned.length < versions.length) {
        const returnedBefore = returned.length;
        const digest = await deployment.spawnedDigest("racing", "default");
        spawns.push({ returnedBefore, digest });
      }
    }
    await succeed("tag", "racing:a", latest);
    returned.push((await push(latest)).digest);
    await Promise.all([pushAll(), spawnUntilAllArePushed(), spawnUntilAllArePushed()]);

    expect(new Set(returned).size).toBe(versions.length);
    for (const { returnedBefore, digest } of spawns) {
      expect(returned.indexOf(digest)).toBeGreaterThanOrEqual(returnedBefore - 1);
    }
    expect(await deployment.spawnedDigest("racing", "default")).toBe(returned.at(-1));
  });
});

describe("jamsocket push", () => {
  test("pushes an image under a tag that its other commands then show and spawn", async () => {
    await build("jam", ["jam:local"]);
    const login = await jamsocket("login", "--token", deployment.api.token);
    expect(login.exitCode, login.output).toBe(0);
    await deployment.createService("jam");
    const pushed = await jamsocket("push", "jam", "jam:local");
    expect(pushed.exitCode, pushed.output).toBe(0);
    const [, digest = "no digest"] = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.output) ?? [];
    expect((await jamsocket("images", "jam")).stdout).toContain(digest);
    expect((await jamsocket("service", "info", "jam")).stdout).toMatch(/last image push: .*minute/);
    expect(await deployment.spawnedDigest("jam", "default")).toBe(digest);
  });

  test("builds from a Dockerfile and pushes under the tag of its argument", async () => {
    await build("jam-file", ["jam-file:built-before"]);
    const context = join(home, "context-jam-file");
    const file = join(context, "Dockerfile");
    await deployment.createService("jam-file");
    const pushed = await jamsocket("push", "jam-file", "-f", file, "-c", context, "-t", "v9");
    expect(pushed.exitCode, pushed.output).toBe(0);
    await engine.empty();
    await succeed("pull", imageName("jam-file", "v9"));
    expect(await runOnce(imageName("jam-file", "v9"))).toBe("this is jam-file\n");
  });
});

describe("SIGKILL of the server in the middle of a push", () => {
  test("docker's own retry completes the push once the server is back", {
    timeout: largeTestTimeoutMs,
  }, async () => {
    await deployment.createService("killed");
    await using proxy = await startCountingProxy(deployment.host);
    await succeed("login", proxy.host, "-u", "acme", "-p", deployment.api.token);
    const name = `${proxy.host}/acme/killed:latest`;
    await build("killed", [name], randomBytes(killedLayerBytes));

    const inTheMiddle = proxy.passed(bytesBeforeTheKill);
    const pushing = docker("push", name);
    await inTheMiddle;
    await deployment.worker.kill();
    await deployment.worker.start();
    const pushed = await pushing;
    expect(pushed.exitCode, pushed.output).toBe(0);
    expect(pushed.output).toContain("Retrying");

    await engine.empty();
    await succeed("pull", name);
    expect(await runOnce(name)).toBe("this is killed\n");
  });
});
