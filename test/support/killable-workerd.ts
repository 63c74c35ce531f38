import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { z } from "zod";
import { freePort } from "../../src/agent/runtimes/free-port.ts";
import { bundleWorker } from "../../src/local/bundle.ts";
import { workerOptions } from "../../src/local/worker-options.ts";
import { makeSigningKeys } from "../../src/protocol/signing-keys.ts";
import { type KillableProcess, killableProcess } from "./killable-process.ts";

/** The package's main module is the path of this platform's binary. */
const binary = z.object({ default: z.string() }).parse(createRequire(import.meta.url)("workerd")).default;

/** The Worker in a workerd of its own, which starts in a fraction of a second; it has no registry. */
export interface KillableWorkerd extends KillableProcess {
  apiUrl: string;
  rootToken: string;
}

/** @param folder where it keeps its state, which outlives it */
export async function killableWorkerd(folder: string): Promise<KillableWorkerd> {
  const port = await freePort(new Set());
  const apiUrl = `http://127.0.0.1:${port}`;
  const rootToken = "root.of-the-tests";
  const bindings = {
    ROOT_TOKEN: rootToken,
    SIGNING_KEYS: JSON.stringify(await makeSigningKeys()),
    API_URL: apiUrl,
    ALLOW_PRIVATE_CLUSTERS: "true",
  };
  const stateDir = join(folder, "state");
  await mkdir(stateDir, { recursive: true });
  await writeFile(join(folder, "worker.js"), await bundleWorker());
  const configFile = join(folder, "config.capnp");
  await writeFile(configFile, capnpConfig({ port, stateDir, bindings }));
  const serving = killableProcess({
    name: "the control plane",
    command: [binary, "serve", configFile, "--control-fd=1"],
    saysItServes: (line) => line.includes('"event":"listen"'),
  });
  return { ...serving, apiUrl, rootToken };
}

function capnpConfig(to: { port: number; stateDir: string; bindings: Record<string, string> }): string {
  const objects = Object.entries(workerOptions.durableObjects);
  const bindings = [
    ...Object.entries(to.bindings).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
    ...objects.map(
      ([name, { className }]) => `(name = ${quote(name)}, durableObjectNamespace = ${quote(className)})`,
    ),
  ];
  const namespaces = objects.map(
    ([_, { className }]) =>
      `(className = ${quote(className)}, uniqueKey = ${quote(`slipway-${className}`)}, enableSql = true)`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["local"])),
    (name = "state", disk = (path = ${quote(to.stateDir)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${to.port}", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = ${quote(workerOptions.compatibilityDate)},
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${namespaces.join(", ")}],
  durableObjectStorage = (localDisk = "state"),
);
`;
}

/** Cap'n Proto's text literals take JSON's escapes, but for those of non-ASCII characters, which stand as they are. */
function quote(text: string): string {
  return JSON.stringify(text);
}
