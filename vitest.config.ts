import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { makeSigningKeys } from "./src/protocol/signing-keys.ts";
import { skipReasons } from "./test/support/skip-reasons.ts";

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
            globalSetup: "test/support/s3-server.ts",
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
