import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseRuntime } from "../../src/local/runtime-choice.ts";
import { makeFolder } from "../support/folder.ts";

test("processes need nothing, wherever it is", async () => {
  expect(await chooseRuntime("process", { platform: "darwin", env: {} })).toEqual({ kind: "process" });
});

test("containers are refused where this machine's own Node cannot run in them, with what to do instead", async () => {
  const refused = expect(chooseRuntime("docker", { platform: "darwin", env: {} })).rejects;
  await refused.toThrow(/darwin: leave `--runtime docker` out, .* `slipway agent --runtime docker`/);
});

test("an engine that does not answer is another failure than one that cannot be this machine's", async () => {
  await using folder = await makeFolder();
  const socket = join(folder.path, "none.sock");
  const choose = (engine: string) =>
    chooseRuntime("docker", { platform: "linux", env: { DOCKER_HOST: engine } });
  await expect(choose(`unix://${socket}`)).rejects.toThrow(
    `--runtime docker: the container engine cannot be reached (connect ENOENT ${socket}): start it`,
  );
  await expect(choose("ssh://elsewhere")).rejects.toThrow("DOCKER_HOST: `ssh://elsewhere` is not");
});
