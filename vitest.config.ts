import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { makeSigningKeys } from "./src/protocol/tokens/signing-keys.ts";
import { LongestFirst } from "./test/support/longest-first.ts";
import { skipReasons } from "./test/support/skip-reasons.ts";

/** What the Worker imports `with { type: "text" }`: esbuild and wrangler know that, Vite does not. */
const textImports = {
  name: "text-imports",
  enforce: "pre" as const,
  async load(id: string) {
    const [file = ""] = id.split("?");
    if (!/\.(css|min\.js)$/.test(file)) return null;
    return { code: `export default ${JSON.stringify(await readFile(file, "utf8"))}`, moduleType: "js" };
  },
};

/**
 * Packages that each file of tests in workerd loads as one module instead of dozens, which takes much of its time. Not
 * Hono, whose parts are imported one by one and must share their symbols.
 */
const bundledPackages = ["zod", "jose", "aws4fetch", "ipaddr.js", "standardwebhooks", "fast-check"];

/** Only a test that hangs takes this long, on a machine that is busy with other tests too. */
const testTimeout = 60_000;
const hookTimeout = 240_000;

/** What the agent, the command and `npm start` have of pure functions: tested beside the rules, in seconds. */
const pureParts = [
  "test/agent/{log,timers}.test.ts",
  "test/agent/backends/{adoption,ended-output}.test.ts",
  "test/agent/control-plane/lease.test.ts",
  "test/agent/proxy/{address,backend-url,headers}.test.ts",
  "test/agent/runtimes/output-lines.test.ts",
  "test/agent/runtimes/docker/*.test.ts",
  "test/cli/{agent-settings,stop-requests}.test.ts",
  "test/local/{demo/*,runtime-choice}.test.ts",
];

/** Real processes, which are mostly waited for. */
const processes = { testTimeout, hookTimeout };

const compileCache = fileURLToPath(new URL("node_modules/.cache/slipway-tests", import.meta.url));

/** test/README.md says what the projects are. `--mode soak` has the long runs, in place of all others. */
export default defineConfig(async ({ mode }) => {
  if (mode === "soak") {
    return {
      test: {
        reporters: ["default", skipReasons],
        env: { NODE_COMPILE_CACHE: compileCache },
        maxWorkers: 1,
        projects: [{ test: { name: "soak", include: ["test/soak/**/*.test.ts"], ...processes } }],
      },
    };
  }
  const signingKeys = await makeSigningKeys();
  return {
    test: {
      reporters: ["default", skipReasons],
      sequence: { sequencer: LongestFirst },
      // The hundreds of programs that the tests start are compiled once.
      env: { NODE_COMPILE_CACHE: compileCache },
      // On two cores: end-to-end files mostly wait for what they have started.
      maxWorkers: 3,
      projects: [
        {
          test: {
            name: "fast",
            include: ["test/{domain,lanes,protocol}/**/*.test.ts", "test/*.test.ts", ...pureParts],
            // Pure functions leave nothing behind that the next file could see.
            pool: "threads",
            isolate: false,
            testTimeout,
          },
        },
        {
          test: {
            name: "node",
            include: ["test/{agent,cli,local}/**/*.test.ts"],
            exclude: pureParts,
            ...processes,
          },
        },
        {
          plugins: [
            textImports,
            cloudflareTest({
              wrangler: { configPath: "./wrangler.toml" },
              miniflare: {
                bindings: {
                  ROOT_TOKEN: "root-token-of-the-tests",
                  SIGNING_KEYS: JSON.stringify(signingKeys),
                  API_URL: "http://api.test",
                },
              },
            }),
          ],
          test: {
            name: "runtime",
            include: ["test/{objects,edge}/**/*.test.ts"],
            globalSetup: ["test/support/registry/s3-server.ts", "test/support/remote/hostile-setup.ts"],
            server: { deps: { inline: [/htmx\.org/] } },
            deps: { optimizer: { ssr: { enabled: true, include: bundledPackages } } },
            testTimeout,
            hookTimeout,
          },
        },
        {
          test: {
            name: "e2e",
            include: ["test/e2e/**/*.test.ts"],
            ...processes,
          },
        },
      ],
    },
  };
});
