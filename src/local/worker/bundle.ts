import { fileURLToPath } from "node:url";
import { type BuildOptions, build, stop } from "esbuild";

const repository = fileURLToPath(new URL("../../..", import.meta.url));

/** The Worker as one ES module, bundled with the same conditions as by wrangler. */
export function bundleWorker(): Promise<string> {
  return bundle({
    entryPoints: ["src/edge/worker.ts"],
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
  });
}

/**
 * A Node program as one CommonJS file that needs nothing beside it.
 * @param entryPoint a path below the repository
 */
export function bundleNodeProgram(entryPoint: string): Promise<string> {
  return bundle({ entryPoints: [entryPoint], format: "cjs", platform: "node", target: "node24" });
}

/** How many bundles are being made: esbuild has one process for all of them, which would stay with this one. */
let underWay = 0;

/** @returns the bundle's text, the same for the same sources wherever the repository stands */
async function bundle(options: BuildOptions): Promise<string> {
  underWay += 1;
  try {
    const { outputFiles } = await build({
      ...options,
      absWorkingDir: repository,
      bundle: true,
      write: false,
      logLevel: "silent",
    });
    const [file] = outputFiles ?? [];
    if (!file) throw new Error(`bundling ${String(options.entryPoints)} gave nothing`);
    return file.text;
  } finally {
    underWay -= 1;
    if (underWay === 0) await stop();
  }
}
