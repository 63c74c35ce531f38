import { permits } from "../../../domain/credentials/access.ts";
import type { Actor } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { accountStub } from "../../stubs.ts";
import type { ServiceState } from "../state.ts";
import { requesterOf } from "./changes.ts";

/**
 * Whoever requested a change, as their token is now: its role and what it is narrowed to may have changed since.
 * @returns null where the token is no more, or may not change the environment any more
 */
export async function requesterNow(env: Env, state: ServiceState, id: string): Promise<Actor | null> {
  const change = state.db.ready ? state.sql.change(id) : undefined;
  if (!change) return null;
  const { account, name: service } = state.row();
  const found = await accountStub(env, account).identityOf(requesterOf(change).tokenId);
  if (!found.ok) return null;
  const { tokenId, tokenName, role, service: narrowedTo, environments, makers } = found.value;
  const target = { service, environment: change.environment_name };
  if (!permits(found.value, "deploy", target).ok) return null;
  return {
    tokenId,
    tokenName,
    role,
    ...(narrowedTo === undefined ? {} : { service: narrowedTo }),
    ...(environments === undefined ? {} : { environments }),
    ...(makers === undefined ? {} : { makers }),
  };
}
