import { layerPullTimeoutMs, registryAnswerTimeoutMs } from "../../domain/limits.ts";
import { imageTypes, indexTypes } from "../../domain/registry/media-types.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import { fetchAnswer } from "../../protocol/remote-answer.ts";
import { messageOf } from "../log.ts";
import { mayBeSentTo, parseRepository, type RepositoryAddress } from "./address.ts";
import { type RegistryCredentials, registryAuthorization } from "./authorization.ts";

export type ContentKind = "manifests" | "blobs";

export interface RegistryClient {
  /**
   * Opens what a repository has under a digest. The bytes are as they come: the caller counts and verifies them, and
   * reads or cancels them. A registry has half a minute for a manifest and an hour for a blob, then they break off.
   * `image_not_found` where there is nothing, `forbidden` without access, else `unavailable`.
   * @param repository with its registry's host, as webhooks name it
   */
  open(
    repository: string,
    kind: ContentKind,
    digest: string,
    signal: AbortSignal,
  ): Promise<Result<AsyncIterable<Uint8Array>>>;
}

const redirectsMax = 5;
const manifestAccept = [...imageTypes, ...indexTypes].join(", ");

/** Pulls from OCI registries (OCI Distribution 1.1, "Pull"), with credentials for at most one of them. */
export function registryClient(credentials: RegistryCredentials | null): RegistryClient {
  const authorization = registryAuthorization(credentials);

  /** Requests from the registry itself, answering its challenge once. */
  async function authorized(repository: RepositoryAddress, url: URL, signal: AbortSignal): Promise<Response> {
    const request = (authorize: string | undefined) =>
      fetchAnswer(url, {
        headers: {
          accept: url.pathname.includes("/manifests/") ? manifestAccept : "*/*",
          ...(authorize === undefined ? {} : { authorization: authorize }),
        },
        redirect: "manual",
        signal,
      });
    const response = await request(authorization.known(repository));
    const challenge = response.headers.get("www-authenticate");
    if (response.status !== 401 || challenge === null) return response;
    const answer = await authorization.answer(repository, challenge, signal);
    if (answer === null) return response;
    await response.body?.cancel();
    return request(answer);
  }

  /** Without credentials: a redirect leads to another server. */
  async function followRedirects(first: Response, from: URL, signal: AbortSignal): Promise<Response> {
    let response = first;
    let at = from;
    for (let followed = 0; isRedirect(response); followed++) {
      await response.body?.cancel();
      const location = response.headers.get("location");
      const target = location ? URL.parse(location, at.href) : null;
      if (followed === redirectsMax || target === null || !mayBeSentTo(from, target)) {
        throw new Error(`${at.origin} redirects to where a blob may not be fetched from`);
      }
      response = await fetchAnswer(target, { redirect: "manual", signal });
      at = target;
    }
    return response;
  }

  return {
    async open(repository, kind, digest, signal) {
      const address = parseRepository(repository);
      if (!address.ok) return address;
      const url = new URL(`/v2/${address.value.name}/${kind}/${digest}`, address.value.origin);
      const timeoutMs = kind === "blobs" ? layerPullTimeoutMs : registryAnswerTimeoutMs;
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const what = `${kind === "blobs" ? "blob" : "manifest"} \`${digest}\` of \`${repository}\``;
      try {
        const answer = await authorized(address.value, url, limited);
        const response = kind === "blobs" ? await followRedirects(answer, url, limited) : answer;
        if (response.status === 200) return ok(bytesOf(response));
        await response.body?.cancel();
        return refusal(response.status, what, address.value.origin === credentials?.origin);
      } catch (error) {
        return fail("unavailable", `${what} cannot be pulled: ${reasonOf(error)}`);
      }
    },
  };
}

/**
 * The bytes of a response, with the response itself held until they are read: Node's `fetch` cancels a body that
 * nobody reads yet when its response is garbage, and what is read then is empty.
 */
async function* bytesOf(response: Response): AsyncGenerator<Uint8Array> {
  yield* response.body ?? [];
}

function refusal(status: number, what: string, hadCredentials: boolean) {
  if (status === 404) return fail("image_not_found", `${what} is not there`);
  if (status !== 401 && status !== 403) {
    return fail("unavailable", `${what} cannot be pulled: the registry answered ${status}`);
  }
  const who = hadCredentials
    ? "with the agent's token"
    : "anonymously (the agent's token is for Slipway's own registry, at its API's address)";
  return fail("forbidden", `${what} may not be pulled ${who}`);
}

function isRedirect({ status }: Response): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** `fetch` says only "fetch failed" and keeps the reason in the cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
}
