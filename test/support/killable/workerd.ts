import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { bundleWorker } from "../../../src/local/worker/bundle.ts";
import { workerOptions } from "../../../src/local/worker/options.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";
import { type KillableProcess, killableProcess } from "./process.ts";
import { workerdBinary, workerdConfig } from "./workerd-config.ts";

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
  const texts = {
    ROOT_TOKEN: rootToken,
    SIGNING_KEYS: JSON.stringify(await makeSigningKeys()),
    API_URL: apiUrl,
    ALLOW_PRIVATE_CLUSTERS: "true",
  };
  const stateDir = join(folder, "state");
  await mkdir(stateDir, { recursive: true });
  await writeFile(join(folder, "worker.js"), await bundleWorker());
  const configFile = join(folder, "config.capnp");
  const { durableObjects, compatibilityDate } = workerOptions;
  const objects = Object.entries(durableObjects).map(([binding, { className }]) => ({ binding, className }));
  const service = { port, stateDir, texts, objects, compatibilityDate };
  await writeFile(configFile, workerdConfig({ ...service, moduleFile: "worker.js", compatibilityFlags: [] }));
  const serving = killableProcess({
    name: "the control plane",
    command: [workerdBinary, "serve", configFile, "--control-fd=1"],
    saysItServes: (line) => line.includes('"event":"listen"'),
  });
  return { ...serving, apiUrl, rootToken };
}
