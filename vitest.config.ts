import { readFile } from "node:fs/promises";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { makeSigningKeys } from "./src/protocol/tokens/signing-keys.ts";
import { skipReasons } from "./test/support/skip-reasons.ts";

/** What the Worker imports `with { type: "text" }`: esbuild and wrangler know that, Vite does not. */
const textImports = {
  name: "text-imports",
  enforce: "pre" as const,
  async load(id: string) {
    if (!/\.(css|min\.js)$/.test(id)) return null;
    return { code: `export default ${JSON.stringify(await readFile(id, "utf8"))}`, moduleType: "js" };
  },
};

export default defineConfig(async () => {
  const signingKeys = await makeSigningKeys();
  return {
    test: {
      reporters: ["default", skipReasons],
      projects: [
        {
          test: {
            name: "fast",
            include: ["test/{domain,protocol,agent,cli,local}/**/*.test.ts", "test/*.test.ts"],
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
            globalSetup: "test/support/registry/s3-server.ts",
            server: { deps: { inline: [/htmx\.org/] } },
          },
        },
        {
          test: {
            name: "e2e",
            include: ["test/e2e/**/*.test.ts"],
            testTimeout: 60_000,
            hookTimeout: 120_000,
          },
        },
      ],
    },
  };
});
