import type { TokenRight } from "../../../../src/domain/credentials/rights.ts";
import type { Caller, MoveRequest, Outcome } from "../../../../src/objects/contract.ts";
import type { CreateTokenBody } from "../../../../src/protocol/v3/accounts.ts";
import type { EnvironmentSettingsBody } from "../../../../src/protocol/v3/services.ts";
import { digestNumber, type Hello, registryHost, value } from "../../support/service.ts";

/** A caller with a token of its own. */
export function as(
  role: "admin" | "deploy" | "spawn" | "read",
  name: string = role,
  extra: { rights?: TokenRight[]; makers?: string[] } = {},
): Caller {
  return { actor: { tokenId: `token-${name}`, tokenName: name, role, ...extra }, registryHost };
}

export const admin = as("admin");
export const deployer = as("deploy");

/** `staging` on image 1 and `prod` on image 2, which are `v1` and `v2`; `prod` with these settings. */
export async function stagingAndProd(hello: Hello, prod: EnvironmentSettingsBody = {}): Promise<void> {
  for (const n of [1, 2]) await hello.push(n, `v${n}`);
  const service = hello.service();
  value(await service.createEnvironment({ name: "staging", image: "v1" }, admin));
  value(await service.createEnvironment({ name: "prod", image: digestNumber(2), settings: prod }, admin));
}

/** What a move has come to: done, or it waits. */
export async function move(
  hello: Hello,
  environment: string,
  request: MoveRequest,
  caller: Caller = deployer,
) {
  return hello.service().move(environment, request, caller);
}

/** The outcome of a change that was carried out. */
export function done<T>(
  outcome: { ok: true; value: Outcome<T> } | { ok: false; error: { code: string; message: string } },
): T {
  const is = value(outcome);
  if (!("done" in is)) throw new Error(`it was not done: ${JSON.stringify(is)}`);
  return is.done;
}

/** Has the agent of a backend report a status. */
export async function report(hello: Hello, backendId: string, status: "ready" | "terminated"): Promise<void> {
  const live = value(await hello.service().liveBackends());
  const fencingToken = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
  value(await hello.report(backendId, fencingToken, status));
}

/** Has so many sessions of an environment become ready, or fail before. */
export async function sessions(
  hello: Hello,
  environment: string,
  outcomes: { ready?: number; failed?: number },
): Promise<string[]> {
  const ids: string[] = [];
  for (const [status, times] of [
    ["ready", outcomes.ready ?? 0],
    ["terminated", outcomes.failed ?? 0],
  ] as const) {
    for (let n = 0; n < times; n++) {
      const { backendId } = value(await hello.connect({ environment }));
      ids.push(backendId);
      await report(hello, backendId, status);
    }
  }
  return ids;
}

/** A caller with a real token of the account, made by another one. */
export async function token(
  hello: Hello,
  name: string,
  body: Pick<CreateTokenBody, "role" | "rights">,
  by: Caller,
): Promise<Caller> {
  const id = `${name}token00000`.slice(0, 12);
  value(await hello.accountObject.createToken({ name, ...body }, { id, secretHash: name }, by));
  const { tokenId, tokenName, role, rights, makers } = value(await hello.accountObject.identityOf(id));
  return {
    actor: { tokenId, tokenName, role, ...(rights && { rights }), ...(makers && { makers }) },
    registryHost,
  };
}

/** An account with an admin, who has made tokens for two that deploy, and for two that approve. */
export async function team(hello: Hello) {
  const root = value(await hello.accountObject.identityOf("admintoken00"));
  const boss: Caller = {
    actor: { tokenId: root.tokenId, tokenName: root.tokenName, role: "admin" },
    registryHost,
  };
  const [dev, peer, ann, bob] = [
    await token(hello, "dev", { role: "deploy" }, boss),
    await token(hello, "peer", { role: "deploy", rights: ["approve"] }, boss),
    await token(hello, "ann", { role: "read", rights: ["approve"] }, boss),
    await token(hello, "bob", { role: "read", rights: ["approve"] }, boss),
  ];
  return { boss, dev, peer, ann, bob };
}
