import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openJournal } from "../../src/agent/backends/journal.ts";
import { acmeToken, makeFolder, slipway } from "./slipway.ts";

const secrets = {
  SLIPWAY_AGENT_TOKEN: acmeToken,
  SLIPWAY_SIGNING_SECRET: `whsec_${btoa("0123456789".repeat(3))}`,
};

/** Runs an agent that is not to start. */
async function refused(stateDir: string, args: string[], env: Record<string, string> = {}) {
  const ended = await slipway(["agent", "--cluster", "eu-prod", "--state-dir", stateDir, ...args], {
    env: { ...secrets, ...env },
  });
  expect(ended.stdout).toBe("");
  expect(ended.stderr).toMatch(/^error: .*\n$/);
  return ended;
}

describe("an agent that cannot start ends with one line on stderr", { timeout: 30_000 }, () => {
  test("exit code 2 where its options are wrong", async () => {
    await using folder = await makeFolder();
    const { exitCode, stderr } = await refused(folder.path, [], { SLIPWAY_SIGNING_SECRET: "" });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("give --signing-secret or set SLIPWAY_SIGNING_SECRET");
  });

  test("exit code 1 where no container engine answers", async () => {
    await using folder = await makeFolder();
    const { exitCode, stderr } = await refused(folder.path, ["--docker-host", `unix://${folder.path}/none`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`cannot be reached (connect ENOENT ${folder.path}/none)`);
  });

  test("exit code 1 where its port is taken", async () => {
    await using folder = await makeFolder();
    await using holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const address = holder.address();
    const port = typeof address === "object" && address ? String(address.port) : "";
    const { exitCode, stderr } = await refused(folder.path, ["--runtime", "process", "--port", port]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`address already in use 127.0.0.1:${port}`);
  });

  test("exit code 1 where another agent uses its folder, which is named", async () => {
    await using folder = await makeFolder();
    const stateDir = join(folder.path, "state");
    const journal = openJournal(stateDir, { account: "acme", cluster: "eu-prod" });
    const { exitCode, stderr } = await refused(stateDir, ["--runtime", "process"]);
    journal.close();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(stateDir);
    expect(stderr).toContain("another agent that runs is using it");
  });
});
