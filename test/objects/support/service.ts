import { env } from "cloudflare:workers";
import type { Result } from "../../../src/domain/result.ts";
import type { Actor, Caller, ConnectParams } from "../../../src/objects/contract.ts";
import { accountStub, backendsStub, serviceStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { formatSigningSecret } from "../../../src/protocol/webhooks/signature.ts";

export const registryHost = "registry.test";
export const actor: Actor = { tokenId: "tokentoken00", tokenName: "of the tests" };
export const caller: Caller = { actor, registryHost };

/** The value of a result that must be one. */
export function value<T>(
  result: { ok: true; value: T } | { ok: false; error: { code: string; message: string } },
): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

/** The code of a failure that must be one. */
export function code(result: Result<unknown>): string {
  if (result.ok) throw new Error("this should have failed");
  return result.error.code;
}

/** `sha256:` and a digest that is made of one number. */
export function digestNumber(n: number): string {
  return `sha256:${n.toString(16).padStart(64, "0")}`;
}

let accounts = 0;

/** An account with the cluster `main` and the service `hello`, as a test of objects needs it. */
export async function setUp({
  template = "https://{backend_id}.cluster.test" as string | null,
  ack = "sync" as "sync" | "async",
} = {}) {
  accounts += 1;
  const account = `acme-${accounts}`;
  const accountObject = accountStub(env, account);
  value(await accountObject.create(account, { id: "admintoken00", secretHash: await hashSecret("secret") }));
  const signingSecret = formatSigningSecret(crypto.getRandomValues(new Uint8Array(32)));
  value(
    await accountObject.createCluster(
      {
        name: "main",
        webhook_url: "https://cluster.test/hook",
        ack,
        ...(template === null ? {} : { backend_url_template: template }),
      },
      { id: "agenttoken00", secretHash: await hashSecret("agent") },
      signingSecret,
      caller,
    ),
  );
  value(await accountObject.createService({ name: "hello" }, caller));
  const service = () => serviceStub(env, account, "hello");
  const shard = (backendId: string) =>
    backendsStub(env, { account, service: "hello", location: "auto" }, backendId);
  return {
    account,
    /** A new stub each time: one that has seen its object die is of no more use. */
    get accountObject() {
      return accountStub(env, account);
    },
    signingSecret,
    service,
    push: async (n: number, tag?: string) =>
      value(
        await service().recordImage(
          { digest: digestNumber(n), ...(tag === undefined ? {} : { tag }) },
          caller,
        ),
      ),
    connect: (params: Partial<ConnectParams> = {}) => service().connectBackend(connectParams(params), caller),
    shard,
    report: async (
      backendId: string,
      fencingToken: number,
      status: "loading" | "ready" | "terminating" | "terminated",
    ) =>
      shard(backendId).report(account, "hello", "main", backendId, {
        status,
        fencing_token: fencingToken,
      }),
  };
}

export type Hello = Awaited<ReturnType<typeof setUp>>;

/** The same with image 1 as `latest`, to which the environment `default` is pinned. */
export async function setUpPinned(options: Parameters<typeof setUp>[0] = {}): Promise<Hello> {
  const hello = await setUp(options);
  await hello.push(1, "latest");
  return hello;
}

/** A connect that may start a backend, unless it says otherwise. */
export function connectParams({ spawn = {}, ...named }: Partial<ConnectParams> = {}): ConnectParams {
  return { ...named, spawn };
}
