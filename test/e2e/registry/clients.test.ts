import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "tar";
import { describe, expect, test } from "vitest";
import { ociIndexType } from "../../../src/domain/registry/media-types.ts";
import { makeFolder } from "../../support/folder.ts";
import { type Ended, run } from "../../support/process.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../../support/registry/deployment.ts";
import { writeOciLayout } from "../../support/registry/oci-layout.ts";
import { share } from "../../support/shared.ts";

/*
 * What the clients that people have do with a registry, each by its own commands: login, push, pull, the lists of
 * repositories and tags, deletion, and what is attached to an image. Docker and skopeo have files of their own.
 */

const layerBytes = 200_000;

let deployment: RegistryDeployment;
/** A folder for files that are pushed. */
let work: string;

share({
  async start(stack) {
    deployment = stack.use(await startRegistryDeployment());
    work = stack.use(await makeFolder()).path;
  },
});

interface Client {
  /** Runs a command. */
  (...args: string[]): Promise<Ended>;
  /** Runs a command that is to succeed. @returns what it printed */
  succeed(...args: string[]): Promise<string>;
  /** Its home, where it keeps its login. */
  home: string;
}

/** A client with a home of its own. Nothing but this machine is there for it. @param common before its arguments */
async function client(program: string, common: (home: string) => string[] = () => []): Promise<Client> {
  const home = join(work, program);
  await mkdir(home, { recursive: true });
  const env = {
    HOME: home,
    XDG_RUNTIME_DIR: home,
    TMPDIR: home,
    COSIGN_PASSWORD: "a password",
    HTTPS_PROXY: "http://127.0.0.1:9",
  };
  const call = (...args: string[]) => run([program, ...common(home), ...args], { env, cwd: home });
  const succeed = async (...args: string[]) => {
    const ended = await call(...args);
    expect(ended.exitCode, ended.output).toBe(0);
    return ended.stdout;
  };
  return Object.assign(call, { succeed, home });
}

const remote = (name: string) => `${deployment.host}/acme/${name}`;
const lines = (text: string) => text.split("\n").filter((line) => line !== "");
const firstWords = (text: string) => lines(text).map((line) => line.split(/\s+/)[0] ?? "");

/** Makes services. @returns what every list of repositories then has among others */
async function services(...names: string[]): Promise<string[]> {
  for (const name of names) await deployment.createService(name);
  return names.map((name) => `acme/${name}`);
}

/** A request of the registry for a manifest, without any client. */
function manifest(name: string, tag: string, init: { method: string; body?: string }): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`acme:${deployment.api.token}`).toString("base64")}`;
  const headers = { authorization, "content-type": ociIndexType };
  return fetch(`${deployment.api.api_url}/v2/acme/${name}/manifests/${tag}`, { ...init, headers });
}

/** What is stored under a tag; null where nothing is. */
async function digestOf(name: string, tag: string): Promise<string | null> {
  return (await manifest(name, tag, { method: "HEAD" })).headers.get("docker-content-digest");
}

/** Writes a file system of one file as a tar archive. @returns its path */
async function rootTar(home: string): Promise<string> {
  await writeFile(join(home, "hello"), `hello ${home}`);
  await create({ file: join(home, "root.tar"), cwd: home }, ["hello"]);
  return join(home, "root.tar");
}

/** Where they keep images: with the one driver that needs nothing of the machine. */
const containersStorage = (home: string) => [
  ...["--storage-driver", "vfs", "--root", join(home, "storage"), "--runroot", join(home, "run")],
];

describe("podman", () => {
  share({ programs: ["podman"] });

  test("logs in, searches, pushes, pulls and lists tags", async () => {
    const repositories = await services("podman", "searched");
    const podman = await client("podman", containersStorage);
    const login = ["login", "--tls-verify=false", "-u", "acme", deployment.host];
    expect((await podman(...login, "-p", "wrong")).output).toContain("invalid username/password");
    await podman.succeed(...login, "-p", deployment.api.token);

    await podman.succeed("import", await rootTar(podman.home), remote("podman:v1"));
    await podman.succeed("push", "--tls-verify=false", remote("podman:v1"));
    const digest = await digestOf("podman", "v1");
    await podman.succeed("rmi", "--all", "--force");
    await podman.succeed("pull", "--tls-verify=false", remote("podman:v1"));
    const [image] = JSON.parse(await podman.succeed("image", "inspect", remote("podman:v1")));
    expect(image.RepoDigests).toContain(`${remote("podman")}@${digest}`);

    const search = ["search", "--tls-verify=false"];
    const found = firstWords(await podman.succeed(...search, `${deployment.host}/`));
    expect(found).toEqual(expect.arrayContaining(repositories.map((name) => `${deployment.host}/${name}`)));
    expect(firstWords(await podman.succeed(...search, remote("sear")))).toEqual(["NAME", remote("searched")]);
    const tags = await podman.succeed(...search, "--list-tags", remote("podman"));
    expect(tags).toMatch(/acme\/podman\s+v1\n/);
  });
});

describe("buildah", () => {
  share({ programs: ["buildah"] });

  test("logs in, pushes an image and an index of it, and pulls", async () => {
    await services("buildah");
    const buildah = await client("buildah", containersStorage);
    const login = ["login", "--tls-verify=false", "-u", "acme", "-p", deployment.api.token];
    await buildah.succeed(...login, deployment.host);
    const container = (await buildah.succeed("from", "scratch")).trim();
    await buildah.succeed("add", container, await rootTar(buildah.home));
    await buildah.succeed("commit", "--quiet", container, "made:v1");
    await buildah.succeed("push", "--tls-verify=false", "made:v1", remote("buildah:v1"));
    const image = await digestOf("buildah", "v1");
    expect(image).toMatch(/^sha256:/);

    await buildah.succeed("manifest", "create", "many");
    await buildah.succeed(
      "manifest",
      "add",
      "--tls-verify=false",
      "many",
      `docker://${remote("buildah:v1")}`,
    );
    const index = ["manifest", "push", "--all", "--tls-verify=false", "many"];
    await buildah.succeed(...index, `docker://${remote("buildah:many")}`);
    expect(await digestOf("buildah", "many")).not.toBe(image);
    await buildah.succeed("rmi", "--all", "--force");
    await buildah.succeed("pull", "--tls-verify=false", remote("buildah:many"));
  });
});

describe("crane", () => {
  share({ programs: ["crane"] });

  test("logs in, lists, pushes, copies, pulls, and deletes", async () => {
    const repositories = await services("crane", "crane-copy");
    const crane = await client("crane", () => ["--insecure"]);
    await crane.succeed("auth", "login", deployment.host, "-u", "acme", "-p", deployment.api.token);
    expect(lines(await crane.succeed("catalog", deployment.host))).toEqual(
      expect.arrayContaining(repositories),
    );
    const { digest } = await writeOciLayout(join(crane.home, "layout"), ["amd64"], layerBytes);
    await crane.succeed("push", "layout", remote("crane:v1"));
    await crane.succeed("copy", remote("crane:v1"), remote("crane-copy:v2"));
    expect((await crane.succeed("digest", remote("crane-copy:v2"))).trim()).toBe(digest);
    await crane.succeed("tag", remote("crane-copy:v2"), "v3");
    expect(lines(await crane.succeed("ls", remote("crane-copy")))).toEqual(["v2", "v3"]);
    await crane.succeed("pull", "--format", "oci", remote("crane-copy:v2"), "pulled");
    expect(await readFile(join(crane.home, "pulled", "index.json"), "utf8")).toContain(digest);
    await crane.succeed("delete", remote("crane-copy:v3"));
    expect(lines(await crane.succeed("ls", remote("crane-copy")))).toEqual(["v2"]);
  });
});

describe("regctl", () => {
  share({ programs: ["regctl"] });

  test("logs in, lists, copies, attaches, and deletes", async () => {
    const repositories = await services("regctl");
    const regctl = await client("regctl", () => ["--verbosity", "error"]);
    await regctl.succeed("registry", "set", "--skip-check", deployment.host, "--tls", "disabled");
    await regctl.succeed("registry", "login", deployment.host, "-u", "acme", "-p", deployment.api.token);
    expect(lines(await regctl.succeed("repo", "ls", deployment.host))).toEqual(
      expect.arrayContaining(repositories),
    );
    const { digest } = await writeOciLayout(join(regctl.home, "layout"), ["amd64", "arm64"], layerBytes);
    await regctl.succeed("image", "copy", "ocidir://layout:made", remote("regctl:v1"));
    expect((await regctl.succeed("manifest", "head", remote("regctl:v1"))).trim()).toBe(digest);
    await writeFile(join(regctl.home, "report"), "all is well");
    const type = "application/vnd.example.report";
    const attach = ["--artifact-type", type, "--subject", remote("regctl:v1"), "--file", "report"];
    await regctl.succeed("artifact", "put", ...attach);
    const filter = ["--filter-artifact-type", type];
    expect(await regctl.succeed("artifact", "list", ...filter, remote("regctl:v1"))).toContain(type);
    await regctl.succeed("image", "copy", remote("regctl:v1"), "ocidir://pulled:v1");
    await regctl.succeed("tag", "delete", remote("regctl:v1"));
    expect(lines(await regctl.succeed("tag", "ls", remote("regctl")))).toEqual([]);
  });
});

describe("oras", () => {
  share({ programs: ["oras"] });

  test("logs in, lists, pushes files, attaches and discovers, pulls, and deletes", async () => {
    const repositories = await services("oras");
    const oras = await client("oras");
    const plain = ["--plain-http"];
    await oras.succeed("login", ...plain, "-u", "acme", "-p", deployment.api.token, deployment.host);
    expect(lines(await oras.succeed("repo", "ls", ...plain, deployment.host))).toEqual(
      expect.arrayContaining(repositories),
    );
    await writeFile(join(oras.home, "file.txt"), "a file");
    await oras.succeed("push", ...plain, remote("oras:v1"), "file.txt:text/plain");
    expect(lines(await oras.succeed("repo", "tags", ...plain, remote("oras")))).toEqual(["v1"]);
    const type = ["--artifact-type", "application/vnd.example.report"];
    await oras.succeed("attach", ...plain, ...type, remote("oras:v1"), "file.txt:text/plain");
    const discovered = await oras.succeed(
      "discover",
      ...plain,
      ...type,
      "--format",
      "json",
      remote("oras:v1"),
    );
    expect(JSON.parse(discovered).referrers).toHaveLength(1);
    await oras.succeed("pull", ...plain, "-o", "pulled", remote("oras:v1"));
    expect(await readFile(join(oras.home, "pulled", "file.txt"), "utf8")).toBe("a file");
    await oras.succeed("manifest", "delete", ...plain, "--force", remote("oras:v1"));
    expect(await digestOf("oras", "v1")).toBeNull();
  });
});

describe("cosign", () => {
  share({ programs: ["cosign"] });

  test("signs an image with a key, and verifies it", async () => {
    await services("cosign");
    const cosign = await client("cosign");
    const index = JSON.stringify({ schemaVersion: 2, mediaType: ociIndexType, manifests: [] });
    await manifest("cosign", "v1", { method: "PUT", body: index });
    const image = `${remote("cosign")}@${await digestOf("cosign", "v1")}`;
    await cosign.succeed("login", deployment.host, "-u", "acme", "-p", deployment.api.token);
    await cosign.succeed("generate-key-pair");
    const http = ["--allow-http-registry", "--allow-insecure-registry"];
    const verify = ["verify", ...http, "--key", "cosign.pub", "--insecure-ignore-tlog", image];
    expect((await cosign(...verify)).output).toContain("no signatures found");
    await cosign.succeed("sign", ...http, "--key", "cosign.key", "--tlog-upload=false", "--yes", image);
    expect(await cosign.succeed(...verify)).toContain("cosign container image signature");
  });
});

describe("helm", () => {
  share({ programs: ["helm"] });

  test("logs in, pushes a chart to the service of its name, and pulls it", async () => {
    await services("chart");
    const helm = await client("helm");
    const login = ["--plain-http", "-u", "acme", "-p", deployment.api.token];
    await helm.succeed("registry", "login", ...login, deployment.host);
    await mkdir(join(helm.home, "chart"));
    const described = "apiVersion: v2\nname: chart\nversion: 1.2.3\n";
    await writeFile(join(helm.home, "chart", "Chart.yaml"), described);
    await helm.succeed("package", "chart");
    await helm.succeed("push", "--plain-http", "chart-1.2.3.tgz", `oci://${remote("")}`);
    const pulled = ["--plain-http", "--version", "1.2.3"];
    await helm.succeed("pull", ...pulled, "--destination", "..", `oci://${remote("chart")}`);
    const shown = await helm.succeed("show", "chart", ...pulled, `oci://${remote("chart")}`);
    expect(shown).toContain("version: 1.2.3");
    expect(await readFile(join(work, "chart-1.2.3.tgz"))).toEqual(
      await readFile(join(helm.home, "chart-1.2.3.tgz")),
    );
  });
});
