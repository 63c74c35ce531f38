import { parseDockerHost } from "../cli/agent/docker-host.ts";
import { type RuntimeChoice, requireEngine } from "../cli/agent/runtime.ts";
import { expectDone } from "./api.ts";

/** What the demo's backends run in. Rejects, with what to do instead, where this machine cannot. */
export async function chooseRuntime(
  kind: "process" | "docker",
  { platform = process.platform, env = process.env }: { platform?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<RuntimeChoice> {
  if (kind === "process") return { kind };
  if (platform !== "linux") {
    throw new Error(
      `the demo's images take this machine's own Node along, and containers run Linux's, not that of ${platform}: ` +
        "leave `--runtime docker` out, and beside it run `slipway agent --runtime docker` with images of your own",
    );
  }
  const place = env.DOCKER_HOST || undefined;
  const engine = place === undefined ? undefined : expectDone(parseDockerHost(place), "DOCKER_HOST");
  const choice = { kind, ...(engine && { engine }) };
  expectDone(await requireEngine(choice), "--runtime docker");
  return choice;
}
