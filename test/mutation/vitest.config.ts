import { defineConfig } from "vitest/config";

/** The rules' and the wire formats' own tests. */
export default defineConfig({
  test: { include: ["test/{domain,protocol}/**/*.test.ts"], isolate: false, testTimeout: 60_000 },
});
