import type { Actor, Caller } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { definedFields } from "../defined-fields.ts";
import { registryHostOf } from "../origin.ts";

/**
 * The caller of a request, in the form that the objects take.
 * @param conditions from the request's headers, or the fields of its form
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
