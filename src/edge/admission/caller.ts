import type { Actor, Caller } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { definedFields } from "../defined.ts";
import { registryHostOf } from "../origin.ts";

/**
 * Who makes a request, as the objects take it.
 * @param conditions those that the request's headers, or the fields of its form, set
 */
export function callerOf(
  actor: Actor,
  { request, env }: { request: Request; env: Pick<Env, "API_URL"> },
  conditions: {
    idempotency?: Caller["idempotency"] | undefined;
    ifMatch?: Caller["ifMatch"] | undefined;
  } = {},
): Caller {
  const { idempotency, ifMatch } = conditions;
  return definedFields({ actor, registryHost: registryHostOf(env, request), idempotency, ifMatch });
}
