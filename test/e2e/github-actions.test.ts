import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { nodeImage } from "../../src/local/node-image.ts";
import { pushImage } from "../../src/local/push-image.ts";
import { createdToken } from "../../src/protocol/v3/accounts.ts";
import { environment, history, pinAnswer } from "../../src/protocol/v3/services.ts";
import { call, connectToDemo } from "../support/api.ts";
import { type DockerEngine, startDockerEngine } from "../support/docker/engine.ts";
import { blocksOf, read, root } from "../support/documents/markdown.ts";
import { makeFolder } from "../support/folder.ts";
import { type LocalSystem, startLocalSystem } from "../support/local-system.ts";
import { collectOutput, programEnv } from "../support/process.ts";
import { share } from "../support/shared.ts";

/* The workflow of the documents, its own steps, against a whole system. GitHub's `uses` are what the test's folder has already. */

const workflow = z.object({
  env: z.record(z.string(), z.string()),
  jobs: z.object({
    deploy: z.object({
      steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
    }),
  }),
});

const demo = "/v3/accounts/demo/services/hello-world";
const program = (says: string) =>
  `require("node:http").createServer((_, response) => response.end(${JSON.stringify(says)}))` +
  '.listen(process.env.PORT, process.env.HOST ?? "127.0.0.1");\n';

let system: LocalSystem;
let engine: DockerEngine;
/** What a checkout of the repository would be, with Slipway's beside it. */
let workspace: string;

share({
  programs: ["dockerd", "docker"],
  async start(stack) {
    workspace = stack.use(await makeFolder()).path;
    engine = stack.use(await startDockerEngine());
    system = stack.use(await startLocalSystem(join(workspace, "local")));
    await writeFile(join(workspace, "main.cjs"), program("from the workflow"));
    await writeFile(
      join(workspace, "Dockerfile"),
      'FROM scratch\nWORKDIR /app\nCOPY main.cjs .\nENTRYPOINT ["node", "main.cjs"]\n',
    );
    await writeFile(join(workspace, ".dockerignore"), "local\nslipway\n");
    await symlink(root, join(workspace, "slipway"));
    const { api_url: apiUrl, account, token } = system.local;
    await pushImage({ apiUrl, account, service: "hello-world", token }, nodeImage(program("before")), [
      "main",
    ]);
    const json = { image: "main" };
    await call(system.local, pinAnswer, `${demo}/environments/staging/pin`, { method: "PUT", json });
    await call(system.local, environment, `${demo}/environments/prod`, {
      method: "PATCH",
      json: { settings: { gates: { from: ["staging"], min_ready: 1 } } },
    });
  },
});

/** Runs a step as GitHub's runner does where no shell is named: `bash -e` of a file, in the workspace. */
async function runStep(script: string, env: Record<string, string>) {
  const file = join(workspace, "step.sh");
  await writeFile(file, script);
  const child = spawn("bash", ["-e", file], { cwd: workspace, env, stdio: ["ignore", "pipe", "pipe"] });
  const printed = collectOutput(child);
  const ended = once(child, "close");
  return { printed, ended };
}

test("the workflow of the documents builds, pushes, waits for a session in staging, and promotes", async () => {
  const [block] = blocksOf(read("src/cli/README.md")).filter(({ language }) => language === "yaml");
  const { env, jobs } = workflow.parse(parse(block?.text ?? ""));
  const json = { name: "actions", role: "deploy", service: "hello-world" };
  const { secret_token: token } = await call(system.local, createdToken, "/v3/accounts/demo/tokens", {
    json,
  });
  const given = {
    SLIPWAY_API_URL: system.local.api_url,
    SLIPWAY_TOKEN: token,
    SERVICE: "hello-world",
    IMAGE: `${new URL(system.local.api_url).host}/demo/hello-world:main`,
  };
  expect(Object.keys(env).sort()).toEqual(Object.keys(given).sort());

  const githubEnv = join(workspace, "github-env");
  await writeFile(githubEnv, "");
  const before = await call(system.local, environment, `${demo}/environments/prod`);
  const outputs: string[] = [];
  for (const { run } of jobs.deploy.steps) {
    if (run === undefined) continue;
    const set = (await readFile(githubEnv, "utf8")).split("\n").filter((line) => line !== "");
    const { printed, ended } = await runStep(run, {
      ...given,
      ...engine.env,
      ...Object.fromEntries(
        set.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      ),
      HOME: workspace,
      NODE_COMPILE_CACHE: programEnv.NODE_COMPILE_CACHE ?? "",
      PATH: `${dirname(process.execPath)}:${programEnv.PATH}`,
      GITHUB_ENV: githubEnv,
      GITHUB_SHA: "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d",
    });
    if (run.includes("--wait")) {
      await vi.waitFor(() => expect(printed.output).toContain("waiting for min_ready: 0 of 1 in staging"), {
        timeout: 30_000,
      });
      expect(await call(system.local, environment, `${demo}/environments/prod`)).toEqual(before);
      const { url } = await connectToDemo(system.local, "staging");
      expect(await (await fetch(url)).text()).toBe("from the workflow");
    }
    expect(await ended, printed.output).toEqual([0, null]);
    outputs.push(printed.output);
  }

  expect(outputs).toHaveLength(3);
  expect(outputs[1]).toContain("It would be refused:\n- gates of environment `prod` are not met");
  const { digest } = await call(system.local, environment, `${demo}/environments/staging`);
  expect(outputs[0]).toContain(digest);
  expect(await call(system.local, environment, `${demo}/environments/prod`)).toMatchObject({ digest });
  const { revisions } = await call(system.local, history, `${demo}/environments/prod/history`);
  expect(revisions[0]).toMatchObject({
    kind: "promote",
    from: "staging",
    gates: "passed",
    note: "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d",
    by: { token_name: "actions" },
  });
});
