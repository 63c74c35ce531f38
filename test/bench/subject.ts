import { z } from "zod";
import { makeSigningKeys } from "../../src/protocol/tokens/signing-keys.ts";
import { createdAccount } from "../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../src/protocol/v3/clusters.ts";

const rootToken = "root-token-of-the-bench";

/** The bindings of a deployment under the bench. */
export async function subjectTexts(): Promise<Record<string, string>> {
  return {
    ROOT_TOKEN: rootToken,
    SIGNING_KEYS: JSON.stringify(await makeSigningKeys()),
    API_URL: "",
    ALLOW_PRIVATE_CLUSTERS: "true",
  };
}

/** A service that is ready to spawn, and the tokens to do it with. */
export interface Subject {
  origin: string;
  token: string;
  agentToken: string;
  connectPath: string;
  environmentPath: string;
}

/** The images that the service has, by tag; `default` is pinned to the first. */
export const imageTags = ["v1", "v2"] as const;

export const backendUrlTemplate = "http://{backend_id}.cluster.test";

/** Sets an account, a cluster, a service and its images up, through the public API. */
export async function setUpSubject(origin: string, webhookUrl: string): Promise<Subject> {
  const account = await call(createdAccount, origin, rootToken, "POST", "/v3/accounts", { name: "bench" });
  const token = account.token.secret_token;
  const cluster = await call(createdCluster, origin, token, "POST", "/v3/accounts/bench/clusters", {
    name: "sink",
    webhook_url: webhookUrl,
    backend_url_template: backendUrlTemplate,
  });
  const services = "/v3/accounts/bench/services";
  await call(z.unknown(), origin, token, "POST", services, { name: "hello" });
  for (const tag of imageTags) {
    const digest = `sha256:${tag.charAt(1).repeat(64)}`;
    await call(z.unknown(), origin, token, "POST", `${services}/hello/images`, { digest, tag });
  }
  const environmentPath = `${services}/hello/environments/default`;
  await call(z.unknown(), origin, token, "PUT", `${environmentPath}/pin`, { image: imageTags[0] });
  return {
    origin,
    token,
    agentToken: cluster.agent_token,
    connectPath: "/v2/service/bench/hello/connect",
    environmentPath,
  };
}

/** Sends one request and reads its answer. @throws with the answer on anything but 2xx */
export async function call<T>(
  schema: z.ZodType<T>,
  origin: string,
  token: string,
  method: string,
  path: string,
  body: unknown,
): Promise<T> {
  const response = await fetch(origin + path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return schema.parse(JSON.parse(text));
}
