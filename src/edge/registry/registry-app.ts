import { tokenCacheMs } from "../../domain/limits.ts";
import { reservedAccountNames } from "../../domain/names.ts";
import type { RepositoryAction } from "../../domain/registry/actions.ts";
import { parseRepositoryName, type RepositoryName } from "../../domain/registry/repository.ts";
import { chooseBlobStore } from "../../objects/blobs/choose-blob-store.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub, registryStub } from "../../objects/stubs.ts";
import { unreached } from "../../objects/unreached.ts";
import { bearerChallenge } from "../../protocol/oci/access.ts";
import { type OciFailure, type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import type { TokenCache } from "../admission/token-cache.ts";
import { BoundedMap } from "../bounded-map.ts";
import { originOf, registryHostOf } from "../origin.ts";
import { ociAnswer, ociFailureAnswer, ociJson } from "./answer.ts";
import type { RegistryCall } from "./call.ts";
import { type Caller, identifyCaller, mayDo, wasGranted } from "./caller.ts";
import { endpoints } from "./endpoints.ts";
import { answerTokenRequest } from "./token.ts";

const knownServices = 10_000;

/** Whether a path is the registry's. The API's own paths below `/v2` begin with names that no account has. */
export function isRegistryPath(path: string): boolean {
  const [, version, first] = path.split("/");
  return version === "v2" && !reservedAccountNames.includes(first ?? "");
}

/** Answers requests to the image registry (OCI Distribution 1.1). */
export class RegistryApp {
  readonly #tokens: TokenCache;
  readonly #now: () => number;
  /** Until when a service that was there is taken to be. */
  readonly #services = new BoundedMap<number>(knownServices);

  /** @param now the isolate's clock, in milliseconds since the epoch */
  constructor(tokens: TokenCache, now: () => number) {
    this.#tokens = tokens;
    this.#now = now;
  }

  async answer(request: Request, env: Env): Promise<Response> {
    const requestId = crypto.randomUUID();
    const response = await this.#answerErrors(request, env, requestId);
    response.headers.set("x-request-id", requestId);
    return response;
  }

  async #answerErrors(request: Request, env: Env, requestId: string): Promise<Response> {
    try {
      return await this.#route(request, env);
    } catch (error) {
      if (unreached(error)) {
        const busy = {
          code: "TOOMANYREQUESTS",
          message: "the registry is busy or restarting; try again",
          status: 503,
        };
        return ociFailureAnswer(busy, { "retry-after": "1" });
      }
      console.error(`${requestId} ${request.method} ${new URL(request.url).pathname}`, error);
      // The specification's codes are for 4xx; this is the one that clients know from other registries.
      const failure = {
        code: "UNKNOWN",
        message: "something went wrong; the request id names it in the logs",
        status: 500,
      };
      return ociFailureAnswer(failure);
    }
  }

  async #route(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/v2/token") {
      return answerTokenRequest(env, request, this.#tokens, this.#now());
    }
    const caller = await identifyCaller(env, request.headers.get("authorization"), this.#tokens, this.#now());
    if (/^\/v2\/?$/.test(url.pathname)) {
      return caller.ok ? ociJson({}) : refusal(env, request, caller.error);
    }
    const path = decodePath(url.pathname);
    const endpoint = endpoints.find(({ pattern }) => pattern.test(path));
    const [, name = "", reference = ""] = endpoint?.pattern.exec(path) ?? [];
    const operation = endpoint?.methods[request.method];
    const wanted = { name, action: operation?.action ?? "pull" };
    if (!caller.ok) return refusal(env, request, caller.error, endpoint ? wanted : undefined);
    if (!endpoint) {
      return refusal(env, request, {
        code: "UNSUPPORTED",
        message: "there is no such endpoint",
        status: 404,
      });
    }
    if (!operation) {
      const allow = Object.keys(endpoint.methods).join(", ");
      const failure = { code: "UNSUPPORTED", message: `allowed here: ${allow}`, status: 405 };
      return ociFailureAnswer(failure, { allow });
    }
    const admitted = await this.#admit(env, caller.value, wanted);
    if (!admitted.ok) {
      return refusal(env, request, admitted.error, { ...wanted, error: "insufficient_scope" });
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
      registryHost: registryHostOf(env, request),
      mayAlso: async (action, other) => {
        const also = await this.#admit(env, caller.value, { name: other, action });
        return also.ok ? also.value : null;
      },
    };
    const answer = await operation.handle(call);
    return answer.ok ? answer.value : refusal(env, request, answer.error, wanted);
  }

  /** Invariant 8: another account's repository is not found, in the words for one that does not exist. */
  async #admit(
    env: Env,
    caller: Caller,
    { name, action }: { name: string; action: RepositoryAction },
  ): Promise<OciResult<RepositoryName>> {
    const parsed = parseRepositoryName(name);
    if (parsed.kind === "malformed") {
      return ociFail(
        "NAME_INVALID",
        `\`${name.slice(0, 160)}\` is not a name of a repository; expected <account>/<service>`,
      );
    }
    if (parsed.kind === "unknown" || parsed.repository.account !== caller.account) return nameUnknown(name);
    const { repository } = parsed;
    if (!mayDo(caller, repository, action)) {
      return ociFail("DENIED", `this token may not ${action} here: its role or its service forbid it`);
    }
    if (!wasGranted(caller, name, action)) {
      return ociFail("UNAUTHORIZED", `the token was not granted ${action} for \`${name}\``);
    }
    return (await this.#serviceExists(env, repository)) ? { ok: true, value: repository } : nameUnknown(name);
  }

  async #serviceExists(env: Env, { account, service }: RepositoryName): Promise<boolean> {
    const name = `${account}/${service}`;
    if ((this.#services.get(name) ?? 0) > this.#now()) return true;
    const names = await accountStub(env, account).serviceNames();
    if (!names.ok || !names.value.includes(service)) return false;
    this.#services.set(name, this.#now() + tokenCacheMs);
    return true;
  }
}

/** Renders a failure, with the challenge where it is one of authentication. */
function refusal(
  env: Env,
  request: Request,
  failure: Omit<OciFailure, "code"> & { code: string },
  wanted?: { name: string; action: RepositoryAction; error?: "insufficient_scope" },
): Response {
  const headers: Record<string, string> = {};
  if (failure.code === "UNAUTHORIZED") {
    const repository = wanted && {
      repository: wanted.name,
      actions: wanted.action === "push" ? (["pull", "push"] as const) : ([wanted.action] as const),
      ...(wanted.error === undefined ? {} : { error: wanted.error }),
    };
    headers["www-authenticate"] = bearerChallenge(
      originOf(env, request),
      registryHostOf(env, request),
      repository,
    );
  }
  return request.method === "HEAD" ? ociAnswer(failure.status, headers) : ociFailureAnswer(failure, headers);
}

/** A path that cannot be decoded names nothing: it stays as it is and breaks the grammar. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return path;
  }
}

function nameUnknown(name: string) {
  return ociFail(
    "NAME_UNKNOWN",
    `repository \`${name.slice(0, 160)}\` not found; its service must be created first`,
  );
}
