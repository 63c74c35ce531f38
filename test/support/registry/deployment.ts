import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount, createdToken } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { call } from "../api.ts";
import { type RecordingCluster, startRecordingCluster } from "../clusters/recording-cluster.ts";
import { type Folder, makeFolder } from "../folder.ts";
import { type KillableWorker, killableWorker } from "../killable/worker.ts";

/** A running Worker with an account `acme` and a cluster, for programs that push and pull. */
export interface RegistryDeployment extends AsyncDisposable {
  worker: KillableWorker;
  /** `host:port` of the registry. */
  host: string;
  api: { api_url: string; token: string };
  createService(name: string): Promise<void>;
  /** @returns the secret of a new token of the account */
  createToken(role: "read" | "deploy"): Promise<string>;
  /** Spawns a backend. @returns the digest in the webhook that the cluster received */
  spawnedDigest(service: string, environment: string): Promise<string>;
}

/** @param bindings of the Worker, where they are not to be the usual ones */
export async function startRegistryDeployment(
  bindings: Record<string, string> = {},
): Promise<RegistryDeployment> {
  const stack = new AsyncDisposableStack();
  try {
    const folder: Folder = stack.use(await makeFolder());
    const cluster: RecordingCluster = stack.use(await startRecordingCluster());
    const worker = stack.use(await killableWorker(folder.path, bindings));
    await worker.start();
    const root = { api_url: worker.apiUrl, token: worker.rootToken };
    const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
    const api = { api_url: worker.apiUrl, token: account.token.secret_token };
    await call(api, createdCluster, "/v3/accounts/acme/clusters", {
      json: {
        name: "main",
        webhook_url: `${cluster.url}/webhook`,
        backend_url_template: `${cluster.url}/{backend_id}`,
      },
    });
    const started = stack.move();
    return {
      worker,
      host: new URL(worker.apiUrl).host,
      api,
      async createService(name) {
        await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name } });
      },
      async createToken(role) {
        const json = { name: role, role };
        return (await call(api, createdToken, "/v3/accounts/acme/tokens", { json })).secret_token;
      },
      async spawnedDigest(service, environment) {
        const path = `/v2/service/acme/${service}/${environment}/connect`;
        const { backend_id } = await call(api, connectAnswer, path, { json: {} });
        const spawn = cluster.messages.find(
          (message) => message.type === "backend.spawn" && message.data.backend_id === backend_id,
        );
        if (spawn?.type !== "backend.spawn")
          throw new Error(`the cluster received no spawn of ${backend_id}`);
        return spawn.data.image.digest;
      },
      [Symbol.asyncDispose]: () => started.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
