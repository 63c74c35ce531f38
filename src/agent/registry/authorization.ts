import { registryAnswerTimeoutMs, tokenAnswerMaxBytes } from "../../domain/limits.ts";
import { pullTokenAnswer } from "../../protocol/oci/pull.ts";
import { fetchAnswer, readJson } from "../../protocol/remote-answer.ts";
import { parseAccessToken } from "../../protocol/tokens/access-token.ts";
import { mayBeSentTo, type RepositoryAddress } from "./address.ts";

export interface RegistryCredentials {
  /** The registry that they are for, as scheme, host and port: no other ever sees them. */
  origin: string;
  user: string;
  password: string;
}

/** An agent's own, for Slipway's registry, which is where its API is. Null for a token that names no account. */
export function agentCredentials(apiUrl: string, agentToken: string): RegistryCredentials | null {
  const account = parseAccessToken(agentToken)?.account;
  return account === undefined
    ? null
    : { origin: new URL(apiUrl).origin, user: account, password: agentToken };
}

export interface RegistryAuthorization {
  /** The cached `Authorization` for a repository. */
  known(repository: RepositoryAddress): string | undefined;
  /**
   * Answers the challenge of a 401.
   * @returns the value of `Authorization` to try, null where there is none. Rejects where a token server fails
   */
  answer(repository: RepositoryAddress, challenge: string, signal: AbortSignal): Promise<string | null>;
}

/** How long a token is good where its server names no lifetime (CNCF distribution, "Token authentication"). */
const tokenSeconds = 60;
/** A token is not used shortly before its expiry, so that it is still valid when the request arrives. */
const tokenMarginSeconds = 10;

export function registryAuthorization(credentials: RegistryCredentials | null): RegistryAuthorization {
  const known = new Map<string, { value: string; untilMs: number }>();
  const keyOf = ({ origin, name }: RepositoryAddress) => `${origin}/${name}`;
  const basicFor = (origin: string) =>
    credentials !== null && credentials.origin === origin
      ? `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`
      : null;

  async function fetchToken(
    { origin, name }: RepositoryAddress,
    { realm = "", service }: Record<string, string>,
    signal: AbortSignal,
  ) {
    const url = URL.parse(realm);
    if (url === null || !mayBeSentTo(new URL(origin), url)) {
      throw new Error(`${origin} names a token server that may not be asked`);
    }
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", `repository:${name}:pull`);
    const basic = url.origin === origin ? basicFor(origin) : null;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(registryAnswerTimeoutMs)]);
    const response = await fetchAnswer(url, {
      ...(basic === null ? {} : { headers: { authorization: basic } }),
      redirect: "manual",
      signal: limited,
    });
    if (response.status === 401 || response.status === 403) {
      await response.body?.cancel();
      return null;
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`the token server ${url.origin} answered ${response.status}`);
    }
    const parsed = pullTokenAnswer.safeParse(
      await readJson(response, { maxBytes: tokenAnswerMaxBytes, signal: limited }),
    );
    const token = parsed.data?.token ?? parsed.data?.access_token;
    if (token === undefined) throw new Error(`the token server ${url.origin} gave no token`);
    return { value: `Bearer ${token}`, seconds: parsed.data?.expires_in ?? tokenSeconds };
  }

  return {
    known(repository) {
      const found = known.get(keyOf(repository));
      return found !== undefined && found.untilMs > performance.now() ? found.value : undefined;
    },

    async answer(repository, header, signal) {
      known.delete(keyOf(repository));
      const challenges = parseChallenges(header);
      const bearer = challenges.find(({ scheme }) => scheme === "bearer");
      if (bearer) {
        const token = await fetchToken(repository, bearer.parameters, signal);
        if (token === null) return null;
        const untilMs = performance.now() + (token.seconds - tokenMarginSeconds) * 1000;
        known.set(keyOf(repository), { value: token.value, untilMs });
        return token.value;
      }
      const basic = basicFor(repository.origin);
      if (basic === null || !challenges.some(({ scheme }) => scheme === "basic")) return null;
      known.set(keyOf(repository), { value: basic, untilMs: Number.POSITIVE_INFINITY });
      return basic;
    },
  };
}

interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

/** Reads `WWW-Authenticate` (RFC 9110 11.6.1): several challenges, each with its parameters. */
export function parseChallenges(header: string): Challenge[] {
  const found: Challenge[] = [];
  const parts = /([a-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([a-z0-9_-]+)/gi;
  for (const [, name, quoted, plain, scheme] of header.matchAll(parts)) {
    if (scheme !== undefined) found.push({ scheme: scheme.toLowerCase(), parameters: {} });
    const parameters = found.at(-1)?.parameters;
    if (name !== undefined && parameters) {
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
    }
  }
  return found;
}
