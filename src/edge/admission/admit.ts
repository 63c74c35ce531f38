import { permits } from "../../domain/credentials/access.ts";
import { isName } from "../../domain/names.ts";
import { permittedActions } from "../../domain/registry/actions.ts";
import { fail, ok } from "../../domain/result.ts";
import type { Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { type BackendLocation, backendNotFound, locateBackend } from "../locate-backend.ts";
import type { RouteAccess, TokenAccess } from "./access.ts";
import type { Credential } from "./credential.ts";
import { checkRootToken, type Holder, identify, type NamedService } from "./identify.ts";
import type { IsolateState } from "./isolate-state.ts";
import { type Decision, refuse } from "./refusal.ts";

/** What a request acts on, as received: names may be malformed, and what they name may not exist. */
export interface Target {
  account?: string | undefined;
  service?: string | undefined;
  environment?: string | undefined;
  backendId?: string | undefined;
}

export interface Admitted {
  /** Absent on public routes, and on those for the root token. */
  identity?: Identity;
  /** Present where the request names one. */
  backend?: BackendLocation;
}

/** Authenticates a request, and decides whether it may act on its target. */
export async function admit(
  env: Env,
  credential: Credential | null,
  access: RouteAccess,
  target: Target,
  state: IsolateState,
): Promise<Decision<Admitted>> {
  if (access.kind === "root") {
    const root = checkRootToken(env, credential);
    return root.ok ? ok({}) : root;
  }
  if (access.kind === "public") return locate(env, target, state);
  const identified = await identify(env, credential, state.tokens, ownService(credential, target, state));
  if (!identified.ok) return identified;
  const admitted = await admitHolder(env, identified.value, access, target, state);
  return admitted.ok ? ok({ ...admitted.value, identity: identified.value }) : admitted;
}

/** The service that a request names, where it is of the credential's own account. */
function ownService(
  credential: Credential | null,
  { account, service }: Target,
  { services }: IsolateState,
): NamedService | null {
  const isOwn = account !== undefined && credential?.accessToken?.account === account;
  return isOwn && service !== undefined && isName(service) ? { name: service, known: services } : null;
}

/** Decides whether an authenticated holder may act on the target of a request. */
export async function admitHolder(
  env: Env,
  holder: Holder,
  access: TokenAccess,
  target: Target,
  state: Pick<IsolateState, "serviceCodes">,
): Promise<Decision<Pick<Admitted, "backend">>> {
  const own = ownAccount(holder, target);
  if (!own.ok) return own;
  const located = await locate(env, target, state);
  if (!located.ok) return located;
  const { backend } = located.value;
  if (backend && backend.account !== holder.account) {
    return refuse("not_found", backendNotFound(backend.id).error);
  }
  const decided = decide(holder, access, backend ? { ...target, service: backend.service } : target);
  return decided.ok ? located : decided;
}

/**
 * The rule of every front door. What belongs to another account is not found, in the words for what does not exist
 * (invariant 8); within the holder's own account, the token must permit the action.
 */
export function decide(
  holder: Holder,
  access: TokenAccess,
  target: Pick<Target, "account" | "service" | "environment">,
): Decision<null> {
  const own = ownAccount(holder, target);
  if (!own.ok || access.kind === "any_token") return own;
  if (access.kind === "catalog") return decideCatalog(holder);
  if (access.kind === "repository") return decideRepository(holder, access.action, target.service ?? "");
  const service = (access.anyScope ? holder.service : undefined) ?? target.service;
  const permitted = permits(holder, access.action, {
    ...(service === undefined ? {} : { service }),
    ...(target.environment === undefined ? {} : { environment: target.environment }),
    namesWithin: access.namesWithin ?? false,
  });
  return permitted.ok ? permitted : refuse("forbidden", permitted.error);
}

function decideRepository(
  holder: Holder,
  action: Extract<TokenAccess, { kind: "repository" }>["action"],
  service: string,
): Decision<null> {
  if (!permittedActions(holder, service).includes(action)) {
    const { error } = fail(
      "forbidden",
      `this token may not ${action} here: its role or its service forbid it`,
    );
    return refuse("forbidden", error);
  }
  const name = `${holder.account}/${service}`;
  const isGranted =
    holder.granted?.some(
      (grant) => grant.type === "repository" && grant.name === name && grant.actions.includes(action),
    ) ?? true;
  if (isGranted) return ok(null);
  return refuse(
    "not_granted",
    fail("unauthorized", `the token was not granted ${action} for \`${name}\``).error,
  );
}

/** Every role may pull something, and so list it. */
function decideCatalog({ granted }: Holder): Decision<null> {
  if (granted?.some(({ type }) => type === "registry") ?? true) return ok(null);
  return refuse(
    "not_granted",
    fail("unauthorized", "the token was not granted the list of repositories").error,
  );
}

function ownAccount({ account: own }: Holder, { account }: Pick<Target, "account">): Decision<null> {
  if (account === undefined || account === own) return ok(null);
  return refuse(
    "not_found",
    fail("account_not_found", `account \`${account.slice(0, 80)}\` not found`).error,
  );
}

async function locate(
  env: Env,
  { backendId }: Pick<Target, "backendId">,
  { serviceCodes }: Pick<IsolateState, "serviceCodes">,
): Promise<Decision<Pick<Admitted, "backend">>> {
  if (backendId === undefined) return ok({});
  const backend = await locateBackend(env, backendId, serviceCodes);
  return backend.ok ? ok({ backend: backend.value }) : refuse("not_found", backend.error);
}
