import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type LoadPlan, type LoadResult, loadAnswer } from "./load-protocol.ts";
import type { Sandbox } from "./sandbox.ts";

const processFile = fileURLToPath(new URL("load-process.ts", import.meta.url));

/**
 * Puts a server under load, from a separate process.
 * @param generator the file of that process, where the load is not one of HTTP requests
 * @throws if any answer was not 2xx
 */
export async function measureLoad(
  sandbox: Sandbox,
  plan: LoadPlan,
  generator = processFile,
): Promise<LoadResult> {
  const child = sandbox.own(fork(generator));
  const exited = once(child, "exit");
  const answered = once(child, "message");
  child.send(plan);
  const [message] = await Promise.race([answered, exited.then(() => [undefined])]);
  await exited;
  const answer = loadAnswer.parse(message ?? { problem: "the load generator ended without an answer" });
  if ("problem" in answer) throw new Error(answer.problem);
  return answer.result;
}
