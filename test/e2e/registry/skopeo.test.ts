import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { makeFolder } from "../../support/folder.ts";
import { type Ended, run } from "../../support/process.ts";
import { startCountingProxy } from "../../support/registry/counting-proxy.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../../support/registry/deployment.ts";
import { blobsOfLayout, type OciLayout, writeOciLayout } from "../../support/registry/oci-layout.ts";
import { share } from "../../support/shared.ts";

const layerBytes = 3_000_000;
const killedLayerBytes = 60_000_000;
const bytesBeforeTheKill = 20_000_000;

const inspected = z.object({
  Name: z.string(),
  Digest: z.string(),
  RepoTags: z.array(z.string()),
  Architecture: z.string(),
  Layers: z.array(z.string()),
});

let deployment: RegistryDeployment;
/** A folder for layouts. */
let work: string;

share({
  programs: ["skopeo"],
  async start(stack) {
    deployment = stack.use(await startRegistryDeployment());
    work = stack.use(await makeFolder()).path;
  },
});

function skopeo(...args: string[]): Promise<Ended> {
  return run(["skopeo", "--insecure-policy", "--tmpdir", work, ...args], {
    env: { HOME: work, XDG_RUNTIME_DIR: work },
  });
}

/** Runs a command of skopeo that is to succeed. @returns what it printed */
async function succeed(...args: string[]): Promise<string> {
  const ended = await skopeo(...args);
  expect(ended.exitCode, ended.output).toBe(0);
  return ended.stdout;
}

const remote = (name: string) => `docker://${deployment.host}/acme/${name}`;
const credentials = () => `acme:${deployment.api.token}`;
const to = () => ["--dest-tls-verify=false", "--dest-creds", credentials()];
const from = () => ["--src-tls-verify=false", "--src-creds", credentials()];
const at = () => ["--tls-verify=false", "--creds", credentials()];

const inspect = async (name: string) =>
  inspected.parse(JSON.parse(await succeed("inspect", ...at(), remote(name))));

/** Makes a service, and a layout to push to it. */
async function make(service: string, architectures = ["amd64"], bytes = layerBytes): Promise<OciLayout> {
  await deployment.createService(service);
  return writeOciLayout(join(work, service), architectures, bytes);
}

describe("copies", () => {
  test("an image of an OCI layout is copied in, and out again byte for byte", async () => {
    const layout = await make("single");
    await succeed("copy", ...to(), layout.reference, remote("single:v1"));
    const out = join(work, "single-out");
    await succeed("copy", ...from(), remote("single:v1"), `oci:${out}:out`);
    expect(await blobsOfLayout(out)).toEqual(await blobsOfLayout(join(work, "single")));
    const byDigest = join(work, "single-by-digest");
    await succeed("copy", ...from(), remote(`single@${layout.digest}`), `oci:${byDigest}:out`);
    expect(await blobsOfLayout(byDigest)).toEqual(await blobsOfLayout(out));
  });

  test("an image of a directory is copied in, and out again byte for byte", async () => {
    const layout = await make("directory");
    const [made, out] = [join(work, "directory-made"), join(work, "directory-out")];
    await succeed("copy", layout.reference, `dir:${made}`);
    await succeed("copy", ...to(), `dir:${made}`, remote("directory:v1"));
    await succeed("copy", ...from(), remote("directory:v1"), `dir:${out}`);
    const manifest = (folder: string) => readFile(join(folder, "manifest.json"), "utf8");
    expect(await manifest(out)).toBe(await manifest(made));
  });

  test("--all copies an index of two platforms with both of its images", async () => {
    const layout = await make("platforms", ["amd64", "arm64"]);
    expect(layout.imageDigests).toHaveLength(2);
    await succeed("copy", "--all", ...to(), layout.reference, remote("platforms:v1"));
    expect((await inspect("platforms:v1")).Digest).toBe(layout.digest);
    for (const digest of layout.imageDigests) {
      expect((await inspect(`platforms@${digest}`)).Digest).toBe(digest);
    }
    const out = join(work, "platforms-out");
    await succeed("copy", "--all", ...from(), remote("platforms:v1"), `oci:${out}:out`);
    expect(await blobsOfLayout(out)).toEqual(await blobsOfLayout(join(work, "platforms")));

    const arm = join(work, "platforms-arm");
    await succeed("--override-arch", "arm64", "copy", ...from(), remote("platforms:v1"), `oci:${arm}:out`);
    const [, arm64 = ""] = layout.imageDigests;
    expect(await blobsOfLayout(arm)).toContain(arm64.replace("sha256:", ""));
  });

  test("what one service has is copied to another of the account", async () => {
    const layout = await make("source");
    await deployment.createService("target");
    await succeed("copy", ...to(), layout.reference, remote("source:v1"));
    await succeed("copy", ...from(), ...to(), remote("source:v1"), remote("target:latest"));
    expect((await inspect("target:latest")).Digest).toBe(layout.digest);
    expect(await deployment.spawnedDigest("target", "default")).toBe(layout.digest);
  });
});

test("a chart that is copied to a tag is there, and what follows the tag goes on with the last image", async () => {
  const layout = await make("charted");
  const chart = await writeOciLayout(join(work, "chart"), ["amd64"], 1000, {
    config: "application/vnd.cncf.helm.config.v1+json",
    layer: "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
  });
  await succeed("copy", ...to(), layout.reference, remote("charted:latest"));
  await succeed("copy", "--preserve-digests", ...to(), chart.reference, remote("charted:latest"));
  const out = join(work, "chart-out");
  await succeed("copy", ...from(), remote("charted:latest"), `oci:${out}:out`);
  expect(await blobsOfLayout(out)).toEqual(await blobsOfLayout(join(work, "chart")));
  expect(await deployment.spawnedDigest("charted", "default")).toBe(layout.digest);
});

describe("inspect, list-tags and delete", () => {
  test("inspect shows the digest, the tags, the platform and the layers", async () => {
    const layout = await make("inspected");
    for (const tag of ["v1", "v1.0"]) {
      await succeed("copy", ...to(), layout.reference, remote(`inspected:${tag}`));
    }
    const shown = await inspect("inspected:v1");
    expect(shown).toMatchObject({
      Name: `${deployment.host}/acme/inspected`,
      Digest: layout.digest,
      RepoTags: ["v1", "v1.0"],
      Architecture: "amd64",
    });
    expect(shown.Layers).toHaveLength(1);
    expect(JSON.parse(await succeed("list-tags", ...at(), remote("inspected")))).toMatchObject({
      Tags: ["v1", "v1.0"],
    });
  });

  test("delete takes a digest with all of its tags, and leaves the others", async () => {
    const [gone, kept] = [await make("deleted"), await make("kept-beside")];
    for (const tag of ["v1", "v1.0"]) {
      await succeed("copy", ...to(), gone.reference, remote(`deleted:${tag}`));
    }
    await succeed("copy", ...to(), kept.reference, remote("deleted:v2"));
    await succeed("delete", ...at(), remote("deleted:v1"));
    for (const name of ["deleted:v1", "deleted:v1.0", `deleted@${gone.digest}`]) {
      const ended = await skopeo("inspect", ...at(), remote(name));
      expect(ended.exitCode).toBe(1);
      expect(ended.stderr).toContain("manifest unknown");
    }
    expect((await inspect("deleted:v2")).RepoTags).toEqual(["v2"]);
  });

  test("delete of what an environment runs is refused with its name, and nothing is gone", async () => {
    const layout = await make("pinned");
    await succeed("copy", ...to(), layout.reference, remote("pinned:latest"));
    expect(await deployment.spawnedDigest("pinned", "default")).toBe(layout.digest);
    const ended = await skopeo("delete", ...at(), remote("pinned:latest"));
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain("`default`");
    expect((await inspect("pinned:latest")).Digest).toBe(layout.digest);
  });
});

describe("refusals that say what is wrong", () => {
  test("a service that does not exist", async () => {
    const layout = await writeOciLayout(join(work, "nowhere"), ["amd64"], layerBytes);
    const ended = await skopeo("copy", ...to(), layout.reference, remote("nowhere:v1"));
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain("repository `acme/nowhere` not found; its service must be created first");
  });

  test("a token that may only read", async () => {
    const layout = await make("readable");
    const read = `acme:${await deployment.createToken("read")}`;
    const dest = ["--dest-tls-verify=false", "--dest-creds", read];
    const ended = await skopeo("copy", ...dest, layout.reference, remote("readable:v1"));
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain("this token may not push here: its role or its service forbid it");
  });

  test("no credentials", async () => {
    await deployment.createService("closed");
    const ended = await skopeo("inspect", "--tls-verify=false", "--no-creds", remote("closed:v1"));
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain("invalid username/password: unauthorized");
  });
});

describe("SIGKILL of the server in the middle of a push", () => {
  test("leaves nothing half-written to be seen, and the next push succeeds", {
    timeout: 120_000,
  }, async () => {
    const layout = await make("killed", ["amd64"], killedLayerBytes);
    await using proxy = await startCountingProxy(deployment.host);
    const through = `docker://${proxy.host}/acme/killed:latest`;
    const inTheMiddle = proxy.passed(bytesBeforeTheKill);
    const copying = skopeo("copy", ...to(), layout.reference, through);
    await inTheMiddle;
    await deployment.worker.kill();
    expect((await copying).exitCode).toBe(1);

    await deployment.worker.start();
    for (const digest of await blobsOfLayout(join(work, "killed"))) {
      expect(await statusOf(`blobs/sha256:${digest}`)).toBe(404);
    }
    expect(await statusOf("manifests/latest")).toBe(404);
    expect(await statusOf(`manifests/${layout.digest}`)).toBe(404);

    await succeed("copy", ...to(), layout.reference, through);
    const out = join(work, "killed-out");
    await succeed("copy", ...from(), remote("killed:latest"), `oci:${out}:out`);
    expect(await blobsOfLayout(out)).toEqual(await blobsOfLayout(join(work, "killed")));
    expect(await deployment.spawnedDigest("killed", "default")).toBe(layout.digest);
  });

  async function statusOf(path: string): Promise<number> {
    const authorization = `Basic ${Buffer.from(credentials()).toString("base64")}`;
    const url = `${deployment.api.api_url}/v2/acme/killed/${path}`;
    return (await fetch(url, { headers: { authorization } })).status;
  }
});
