import type { LocalJson } from "../../src/local/state/local-json.ts";
import { connectAnswer } from "../../src/protocol/jamsocket/v2.ts";
import { createdAccount, createdToken, tokenList } from "../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../src/protocol/v3/clusters.ts";
import { imageList } from "../../src/protocol/v3/images.ts";
import { environment, service } from "../../src/protocol/v3/services.ts";
import { call } from "../support/api.ts";

/** More than are revoked: the newest is first in the list, and the first of the list is what is followed to its end. */
const spareTokens = 1_500;
/** So many of them are named. */
const namedTokens = 100;
const spares = ["spare-1", "spare-2", "spare-3", "spare-4", "spare-5", "spare-6"];
/** Nothing listens there. */
const webhook_url = "http://127.0.0.1:9/webhook";

/** What requests may name, and who sends them. */
export interface World {
  /** By the name of the scheme in the description of the API. */
  tokens: Readonly<Record<"token" | "root" | "agent", string>>;
  /** What there is, by the name of the path's parameter. */
  names: Readonly<Record<string, readonly string[]>>;
  /** The same for what ends or disables a thing, so that what all others need stays. */
  spares: Readonly<Record<"account" | "service" | "environment" | "cluster", readonly string[]>>;
}

/** Makes, beside the demo, what can be spared. */
export async function makeWorld(local: LocalJson): Promise<World> {
  const account = `/v3/accounts/${local.account}`;
  const ids: string[] = [];
  for (let i = 1; i <= spareTokens; i++) {
    const json = { name: `spare ${i}`, role: "admin" };
    ids.push((await call(local, createdToken, `${account}/tokens`, { json })).id);
  }
  // Limits of what may be stored are set there.
  const root = { ...local, token: local.root_token };
  await call(root, createdAccount, "/v3/accounts", { json: { name: "spare" } });
  for (const name of spares) {
    await call(local, service, `${account}/services`, { json: { name } });
    await call(local, createdCluster, `${account}/clusters`, { json: { name, webhook_url } });
    await call(local, environment, `${account}/services/hello-world/environments`, {
      json: { name, image: "v1" },
    });
  }
  const agents = { json: { name: "agents-own", webhook_url } };
  const { agent_token } = await call(local, createdCluster, `${account}/clusters`, agents);
  const { images } = await call(local, imageList, `${account}/services/hello-world/images`);
  const backends = await Promise.all(
    [{}, { key: "a" }, { key: "b" }].map((json) =>
      call(local, connectAnswer, `/v2/service/${local.account}/hello-world/staging/connect`, { json }),
    ),
  );
  return {
    tokens: { token: local.token, root: local.root_token, agent: agent_token },
    names: {
      account: [local.account],
      service: ["hello-world", ...spares.slice(0, 1)],
      environment: ["staging", "prod", "default"],
      cluster: [...local.clusters.map(({ name }) => name), ...spares],
      digest: images.map(({ digest }) => digest),
      id: backends.map(({ backend_id }) => backend_id),
      token_id: ids.slice(-namedTokens),
    },
    spares: { account: ["spare"], service: spares, environment: spares, cluster: spares },
  };
}

/**
 * What a request with the token is answered with which the others were sent, where it is no list: without that token all
 * are refused. Null where it is one.
 */
export async function refusalOf({ api_url, account, token }: LocalJson): Promise<string | null> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${api_url}/v3/accounts/${account}/tokens?limit=1`, { headers });
  const text = await response.text();
  return response.ok && tokenList.safeParse(JSON.parse(text)).success ? null : `${response.status} ${text}`;
}
