import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { unstable_readConfig } from "wrangler";
import { z } from "zod";
import type { Sandbox } from "./sandbox.ts";

/** A Worker as it would be deployed, and what its configuration says that workerd has to know. */
export interface Bundle {
  name: string;
  /** The directory of the one module. */
  dir: string;
  moduleFile: string;
  compatibilityDate: string;
  compatibilityFlags: readonly string[];
  durableObjects: readonly { binding: string; className: string }[];
}

const repositoryDir = fileURLToPath(new URL("../../", import.meta.url));
const wranglerScript = join(repositoryDir, "node_modules/wrangler/bin/wrangler.js");

const workerConfig = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
  durable_objects: z.object({
    bindings: z.array(z.object({ name: z.string(), class_name: z.string() })),
  }),
});

/**
 * Builds with `wrangler deploy --dry-run`, so that what is measured is what is deployed.
 * @param configFile relative to the repository
 * @param entry another entry point than the configuration's, relative to the repository
 * @throws with wrangler's words when the build fails
 */
export async function buildBundle(
  sandbox: Sandbox,
  name: string,
  configFile: string,
  entry?: string,
): Promise<Bundle> {
  const config = workerConfig.parse(unstable_readConfig({ config: join(repositoryDir, configFile) }));
  const dir = join(sandbox.dir, name);
  await mkdir(dir);
  const wrangler = sandbox.own(
    spawn(
      process.execPath,
      [
        wranglerScript,
        "deploy",
        ...(entry === undefined ? [] : [entry]),
        ...["--config", configFile, "--dry-run", "--outdir", dir],
      ],
      {
        cwd: repositoryDir,
        stdio: ["ignore", "pipe", "pipe"],
        // The banner looks for a newer wrangler, and metrics are sent: nothing here leaves this machine.
        env: { ...process.env, WRANGLER_HIDE_BANNER: "true", WRANGLER_SEND_METRICS: "false" },
      },
    ),
  );
  const [output, errors, [exitCode]] = await Promise.all([
    text(wrangler.stdout),
    text(wrangler.stderr),
    once(wrangler, "exit"),
  ]);
  if (exitCode !== 0) throw new Error(`wrangler could not build ${name}:\n${output}${errors}`);
  const modules = (await readdir(dir)).filter((file) => file.endsWith(".js"));
  const [module] = modules;
  if (module === undefined || modules.length > 1) throw new Error(`${name} is not one module: ${modules}`);
  return {
    name,
    dir,
    moduleFile: basename(module),
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    durableObjects: config.durable_objects.bindings.map(({ name: binding, class_name: className }) => ({
      binding,
      className,
    })),
  };
}
