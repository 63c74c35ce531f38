import type { Env } from "../../objects/env.ts";
import { serviceStub } from "../../objects/stubs.ts";

/** A call of a route whose path names a service. */
interface Located {
  env: Env;
  params: { account: string; service: string };
}

/** The service that the path of a call names. */
export function serviceOf({ env, params }: Located) {
  return serviceStub(env, params.account, params.service);
}

/** What an answer about an environment carries as its `ETag`. */
export const revisionOf = ({ revision }: { revision: number }) => revision;
