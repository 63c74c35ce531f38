import type Docker from "dockerode";
import { z } from "zod";
import { parseRepositoryName } from "../../../domain/registry/repository.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { parseRepository } from "../../registry/address.ts";
import type { RegistryCredentials } from "../../registry/authorization.ts";
import type { RuntimeImage } from "../runtime.ts";
import { type SharedWork, sharedWork } from "../shared-work.ts";
import { asReadable, callEngine, failureOf, refusalOf } from "./engine.ts";
import { jsonLines } from "./json-lines.ts";

export interface ImagePullerOptions {
  docker: Docker;
  /** For Slipway's own registry. From any other, pulls are anonymous. */
  credentials: RegistryCredentials | null;
}

/** Has an image in the engine, as `Runtime.pull` says: `image_not_found` where there is none. */
export type ImagePuller = (
  image: RuntimeImage,
  signal: AbortSignal,
  claim?: () => void,
) => Promise<Result<null>>;

/** A line of a pull's progress: the last one may be its failure. */
const progress = z.object({ error: z.string().optional() });

/** What containers are made from: a digest and never a tag, which might have moved. */
export function engineReference({ repository, digest }: Pick<RuntimeImage, "repository" | "digest">): string {
  return `${repository}@${digest}`;
}

/** An image is pulled once for all concurrent callers, and not at all where the engine has it. */
export function imagePuller({ docker, credentials }: ImagePullerOptions): ImagePuller {
  const shared: SharedWork<Result<null>> = sharedWork();
  const registryHost = credentials && new URL(credentials.origin).host;

  function authFor(host: string): { authconfig?: object } {
    if (!credentials || host !== registryHost) return {};
    const { user, password, origin } = credentials;
    return { authconfig: { username: user, password, serveraddress: origin } };
  }

  async function isThere(image: RuntimeImage): Promise<boolean> {
    try {
      await callEngine(() => docker.getImage(engineReference(image)).inspect());
      return true;
    } catch (error) {
      if (refusalOf(error)?.status === 404) return false;
      throw error;
    }
  }

  /** @returns why there is no image, in the engine's words; null where the pull went through */
  async function pull(image: RuntimeImage, signal: AbortSignal): Promise<string | null> {
    const host = image.repository.slice(0, image.repository.indexOf("/"));
    const stream = asReadable(
      await callEngine(
        () =>
          docker.createImage({
            fromImage: image.repository,
            tag: image.digest,
            ...authFor(host),
            abortSignal: signal,
          }),
        signal,
      ),
      signal,
    );
    for await (const line of jsonLines(stream)) {
      const problem = progress.safeParse(line).data?.error;
      if (problem !== undefined) return problem;
    }
    return (await isThere(image)) ? null : "the engine's pull ended without it";
  }

  async function have(
    image: RuntimeImage,
    signal: AbortSignal,
    claim: () => void = () => undefined,
  ): Promise<Result<null>> {
    const what = `image \`${engineReference(image)}\` cannot be pulled`;
    try {
      if (await isThere(image)) return ok(null);
      claim();
      const problem = await pull(image, signal);
      return problem === null ? ok(null) : pullFailure(what, problem);
    } catch (error) {
      signal.throwIfAborted();
      const refusal = refusalOf(error);
      return refusal ? pullFailure(what, refusal.message) : failureOf(what, error);
    }
  }

  return async (image, signal, claim) => {
    const usable = checkRepository(image.repository);
    if (!usable.ok) return usable;
    return shared(engineReference(image), signal, (working) => have(image, working, claim));
  };
}

/** The engine's address of an image is a path: a repository that is none of a registry must not become one. */
function checkRepository(repository: string): Result<null> {
  const address = parseRepository(repository);
  if (!address.ok) return address;
  return parseRepositoryName(address.value.name).kind === "malformed"
    ? fail("image_not_found", `\`${repository}\` is not the name of a repository`)
    : ok(null);
}

/** Classifies the failure of a pull by all that there is: the message that the engine passes on from the registry. */
export function pullFailure(what: string, words: string): Result<never> {
  const message = `${what}: ${words}`;
  if (/denied|unauthorized|authentication required|no basic auth/i.test(words))
    return fail("forbidden", message);
  if (/manifest unknown|not found|no matching manifest|name unknown/i.test(words)) {
    return fail("image_not_found", message);
  }
  return fail("unavailable", message);
}
