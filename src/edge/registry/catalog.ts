import { serviceNamesPerCall } from "../../domain/limits.ts";
import { onlyPullableService } from "../../domain/registry/actions.ts";
import type { Result } from "../../domain/result.ts";
import type { AccountRpc } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import type { OciResult } from "../../protocol/oci/errors.ts";
import { nextLink, parsePageSize } from "../../protocol/oci/list.ts";
import { decide } from "../admission/admit.ts";
import type { Holder } from "../admission/identify.ts";
import { methodNotAllowedAnswer, ociJson } from "./answer.ts";
import { ociRefusal, refusalAnswer } from "./refusal.ts";

export const catalogPath = "/v2/_catalog";
const catalogMethods = ["GET", "HEAD"];

/**
 * `GET /v2/_catalog?n=&last=` (CNCF distribution, "Listing repositories"): those of the account that the caller may pull from, by
 * name. A repository is there as long as its service is, with or without images.
 */
export async function answerCatalog(
  env: Env,
  request: Request,
  caller: OciResult<Holder>,
): Promise<Response> {
  if (!caller.ok) return refusalAnswer(env, request, caller.error, "catalog");
  if (!catalogMethods.includes(request.method)) return methodNotAllowedAnswer(catalogMethods);
  const decided = decide(caller.value, { kind: "catalog" }, {});
  if (!decided.ok) {
    const { error } = ociRefusal(decided.error, "");
    return refusalAnswer(env, request, error, "catalog", "insufficient_scope");
  }
  const { searchParams } = new URL(request.url);
  const limit = parsePageSize(searchParams.get("n"));
  if (!limit.ok) return refusalAnswer(env, request, limit.error);
  const prefix = `${caller.value.account}/`;
  const after = nameAfter(prefix, searchParams.get("last") ?? "");
  const { names, more } =
    after === null ? { names: [], more: false } : await namesAfter(env, caller.value, after, limit.value);
  const repositories = names.map((name) => prefix + name);
  const last = repositories.at(-1);
  const headers: Record<string, string> =
    more && last !== undefined ? { link: nextLink(catalogPath, { n: String(limit.value), last }) } : {};
  return ociJson({ repositories }, headers);
}

/**
 * The name of a service after which those begin that come after `last` in the order of repositories' names.
 * @param prefix of all of them
 * @returns null where none comes after it
 */
function nameAfter(prefix: string, last: string): string | null {
  if (last.startsWith(prefix)) return last.slice(prefix.length);
  return last < prefix ? "" : null;
}

async function namesAfter(
  env: Env,
  holder: Holder,
  after: string,
  limit: number,
): Promise<{ names: string[]; more: boolean }> {
  const account = accountStub(env, holder.account);
  const only = onlyPullableService(holder);
  if (only !== undefined) {
    const isListed = limit > 0 && only > after && (await account.hasService(only));
    return { names: isListed ? [only] : [], more: false };
  }
  const page = namesIn(await account.serviceNames(after));
  const names = page.slice(0, limit);
  const last = names.at(-1);
  if (last === undefined) return { names, more: false };
  const isWholeCall = names.length === serviceNamesPerCall;
  return { names, more: names.length < page.length || (isWholeCall && (await hasNamesAfter(account, last))) };
}

async function hasNamesAfter(account: Pick<AccountRpc, "serviceNames">, name: string): Promise<boolean> {
  return namesIn(await account.serviceNames(name)).length > 0;
}

/** The account is there: the caller has a credential of it. */
function namesIn(names: Result<string[]>): string[] {
  if (!names.ok) throw new Error(names.error.message);
  return names.value;
}
