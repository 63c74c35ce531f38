import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { createdAccount } from "../../src/protocol/v3/accounts.ts";
import { killableWorker } from "../support/killable/worker.ts";
import type { Sandbox } from "./sandbox.ts";
import { call } from "./subject.ts";

/** The account and the service that a deployment has. */
export const account = "bench";
export const service = "hello";

/** The Worker with its registry, in separate processes with a new state; both are removed when it is disposed of. */
export interface Deployment extends AsyncDisposable {
  apiUrl: string;
  /** The account's. */
  token: string;
}

/** Starts the production Worker under Miniflare, as `npm start` does: raw workerd has no R2. */
export async function startDeployment(sandbox: Sandbox): Promise<Deployment> {
  const dir = await mkdtemp(join(sandbox.dir, "deployment-"));
  const worker = await killableWorker(dir);
  // Before the sandbox removes the directory. What kills comes before the first await.
  const killAtExit = () => void worker.kill();
  process.prependOnceListener("exit", killAtExit);
  const stop = async () => {
    await worker.kill();
    process.off("exit", killAtExit);
    // The runtime may end an instant after the process that is waited for.
    await rm(dir, { recursive: true, maxRetries: 3 });
  };
  try {
    await worker.start();
    const { apiUrl, rootToken } = worker;
    const created = await call(createdAccount, apiUrl, rootToken, "POST", "/v3/accounts", { name: account });
    const token = created.token.secret_token;
    await call(z.unknown(), apiUrl, token, "POST", `/v3/accounts/${account}/services`, { name: service });
    return { apiUrl, token, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
