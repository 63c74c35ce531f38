import { Hono } from "hono";
import { BoundedMap } from "../../domain/bounded-map.ts";
import { tokenCacheMs, uploadExpiresMs } from "../../domain/limits.ts";
import { reservedAccountNames } from "../../domain/names.ts";
import type { RepositoryAction } from "../../domain/registry/actions.ts";
import { parseRepositoryName, type RepositoryName } from "../../domain/registry/repository.ts";
import { mayGoOn } from "../../domain/registry/upload.ts";
import { StoreUnavailable } from "../../objects/blobs/blob-store.ts";
import { chooseBlobStore } from "../../objects/blobs/choose-blob-store.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub, registryStub } from "../../objects/stubs.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import { decide } from "../admission/admit.ts";
import { basicOrBearerCredential } from "../admission/credential.ts";
import { type Holder, identifyRegistryCaller } from "../admission/identify.ts";
import { badCredential } from "../admission/refusal.ts";
import type { TokenCache } from "../admission/token-cache.ts";
import { failureOf } from "../exception.ts";
import { registryHostOf } from "../origin.ts";
import { methodNotAllowedAnswer, ociFailureAnswer, ociJson } from "./answer.ts";
import type { RegistryCall } from "./call.ts";
import { answerCatalog, catalogPath } from "./catalog.ts";
import { endpoints } from "./endpoints.ts";
import { PartRoom } from "./part-room.ts";
import { nameUnknown, ociRefusal, refusalAnswer, unavailableAnswer } from "./refusal.ts";
import { answerTokenRequest } from "./token.ts";

const knownServices = 10_000;

/** Whether a path is the registry's. The API's own paths below `/v2` begin with names that no account has. */
export function isRegistryPath(path: string): boolean {
  if (!path.startsWith("/v2")) return false;
  const [, version, first = ""] = path.split("/", 3);
  return version === "v2" && !reservedAccountNames.includes(first);
}

/**
 * Answers requests to the image registry (OCI Distribution 1.1), whose paths `isRegistryPath` tells.
 * @param now the isolate's clock, in milliseconds since the epoch
 */
export function createRegistryApp(tokens: TokenCache, now: () => number) {
  const door = new RegistryDoor(tokens, now);
  return new Hono<{ Bindings: Env }>()
    .all("/v2/*", async (c) => {
      const response = await door.answer(c.req.raw, c.env);
      response.headers.set("x-request-id", crypto.randomUUID());
      return response;
    })
    .onError((error, c) => answerException(error, c.req.raw, c.env));
}

/** As at the API, the answer shows the message of neither a bug nor an object that cannot answer now. */
async function answerException(error: Error, request: Request, env: Env): Promise<Response> {
  const requestId = crypto.randomUUID();
  const identified = { "x-request-id": requestId };
  const known = await failureOf(error, env);
  if (error instanceof StoreUnavailable) console.error(`${requestId} the blob store has failed`, error);
  if (known) return unavailableAnswer(request, known, identified);
  console.error(`${requestId} ${request.method} ${new URL(request.url).pathname}`, error);
  // The specification has codes for 4xx only; other registries use this one.
  const failure = {
    code: "UNKNOWN",
    message: "something went wrong; the request id names it in the logs",
    status: 500,
  };
  return ociFailureAnswer(failure, identified);
}

class RegistryDoor {
  readonly #tokens: TokenCache;
  readonly #now: () => number;
  /** Expiry times of cached positive answers to "does this service exist?", by repository. */
  readonly #services = new BoundedMap<number>(knownServices);
  readonly #room: PartRoom;

  constructor(tokens: TokenCache, now: () => number) {
    this.#tokens = tokens;
    this.#now = now;
    this.#room = new PartRoom(now);
  }

  async answer(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/v2/token") {
      return answerTokenRequest(env, request, this.#tokens, this.#now());
    }
    const path = decodePath(url.pathname);
    const endpoint = endpoints.find(({ pattern }) => pattern.test(path));
    const [, name = "", reference = ""] = endpoint?.pattern.exec(path) ?? [];
    const operation = endpoint?.methods[request.method];
    const credential = basicOrBearerCredential(request.headers.get("authorization"));
    const lapsedMs = operation?.outlivesToken ? uploadExpiresMs : 0;
    const identified = await identifyRegistryCaller(env, credential, this.#tokens, this.#now(), lapsedMs);
    const caller = identified.ok ? identified : ociRefusal(identified.error, "");
    if (/^\/v2\/?$/.test(url.pathname)) {
      return caller.ok ? ociJson({}) : refusalAnswer(env, request, caller.error);
    }
    if (url.pathname === catalogPath) return answerCatalog(env, request, caller);
    const wanted = { name, action: operation?.action ?? "pull" };
    if (!caller.ok) return refusalAnswer(env, request, caller.error, endpoint ? wanted : undefined);
    if (!endpoint) {
      return refusalAnswer(env, request, {
        code: "UNSUPPORTED",
        message: "there is no such endpoint",
        status: 404,
      });
    }
    if (!operation) return methodNotAllowedAnswer(Object.keys(endpoint.methods));
    const admitted = await this.#admit(env, caller.value, wanted);
    const { lapsedAt, credentialId } = caller.value;
    if (lapsedAt !== null) {
      const registry = registryStub(env, caller.value.account);
      const upload = admitted.ok ? await registry.upload(admitted.value, reference) : null;
      if (!upload || !mayGoOn(upload.begun, { credentialId, lapsedAt })) {
        return refusalAnswer(env, request, ociRefusal(badCredential().error, name).error, wanted);
      }
    }
    if (!admitted.ok) {
      return refusalAnswer(env, request, admitted.error, wanted, "insufficient_scope");
    }
    const store = chooseBlobStore(env);
    if (!store) {
      const failure = {
        code: "UNSUPPORTED",
        message: "this deployment has no place for images",
        status: 501,
      };
      return ociFailureAnswer(failure);
    }
    const call: RegistryCall = {
      request,
      url,
      name,
      repository: admitted.value,
      reference,
      registry: registryStub(env, admitted.value.account),
      store,
      room: this.#room.of(admitted.value.account),
      registryHost: registryHostOf(env, request),
      credentialId,
      caller: { tokenId: caller.value.tokenId, tokenName: caller.value.tokenName },
      mayAlso: async (action, other) => {
        const also = await this.#admit(env, caller.value, { name: other, action });
        return also.ok ? also.value : null;
      },
    };
    const answer = await operation.handle(call);
    return answer.ok ? answer.value : refusalAnswer(env, request, answer.error, wanted);
  }

  async #admit(
    env: Env,
    caller: Holder,
    { name, action }: { name: string; action: RepositoryAction },
  ): Promise<OciResult<RepositoryName>> {
    const parsed = parseRepositoryName(name);
    if (parsed.kind === "malformed") {
      return ociFail(
        "NAME_INVALID",
        `\`${name.slice(0, 160)}\` is not a name of a repository; expected <account>/<service>`,
      );
    }
    if (parsed.kind === "unknown") return nameUnknown(name);
    const { repository } = parsed;
    const decided = decide(caller, { kind: "repository", action }, repository);
    if (!decided.ok) return ociRefusal(decided.error, name);
    return (await this.#serviceExists(env, repository)) ? { ok: true, value: repository } : nameUnknown(name);
  }

  async #serviceExists(env: Env, { account, service }: RepositoryName): Promise<boolean> {
    const name = `${account}/${service}`;
    if ((this.#services.get(name) ?? 0) > this.#now()) return true;
    if (!(await accountStub(env, account).hasService(service))) return false;
    this.#services.set(name, this.#now() + tokenCacheMs);
    return true;
  }
}

/** A path that cannot be decoded stays as it is, and fails to parse as a name. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return path;
  }
}
