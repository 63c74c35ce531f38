import type { RollbackTo } from "../../../domain/deploys/rollback.ts";
import type { Result } from "../../../domain/result.ts";
import type { Candidate, Change, Check, CheckBody, Plan, Rejection } from "../../../protocol/v3/deploys.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Environment, PatchEnvironmentBody, PinAnswer } from "../../../protocol/v3/services.ts";
import type { Caller } from "../../rpc-types.ts";
import type { PinParams } from "../pins/contract.ts";

interface Why {
  note?: string;
  /** An admin's: past gates, a rejection, windows and a stop. */
  force?: boolean;
}

/** A move of an environment, as somebody requests it. */
export type MoveRequest = Why &
  (
    | { kind: "pin"; image: string }
    | { kind: "promote"; from: string; digest?: string }
    | { kind: "rollback"; to?: RollbackTo }
    | { kind: "follow"; tag?: string }
  );

/** What became of a request: it is done; it waits for approval; or it was only to be said what it would do. */
export type Outcome<T> = { done: T } | { change: Change } | { plan: Plan };

/** Whether a request is carried out, or only planned. */
export type Mode = "do" | "plan";

/** How environments are changed safely. */
export interface ServiceDeploysRpc {
  /**
   * Moves an environment, if nothing keeps it from that: one of the refusals of `judgeChange` otherwise.
   * @param environment undefined: the one that a request without a name would use
   */
  move(
    environment: string | undefined,
    request: MoveRequest,
    caller: Caller,
    mode?: Mode,
  ): Promise<Result<Outcome<PinAnswer>>>;
  /** Changes its cluster or settings, if nothing keeps it from that. */
  patchEnvironment(
    name: string,
    patch: PatchEnvironmentBody,
    caller: Caller,
    mode?: Mode,
  ): Promise<Result<Outcome<Environment>>>;
  /** The same. `environment_in_use` while it has live backends. */
  deleteEnvironment(name: string, caller: Caller, mode?: Mode): Promise<Result<Outcome<null>>>;
  /**
   * Pins an environment; as `move`, for callers that wait for no approval: `approval_required` where it takes one.
   * @param environment undefined: the one that a request without a name would use
   */
  pin(environment: string | undefined, params: PinParams, caller: Caller): Promise<Result<PinAnswer>>;
  stop(environment: string, reason: string, caller: Caller): Promise<Result<Environment>>;
  /** Takes a stop back: an admin's. */
  unstop(environment: string, caller: Caller, mode?: Mode): Promise<Result<Outcome<Environment>>>;
  candidates(environment: string, allowed?: readonly string[]): Promise<Result<Candidate[]>>;
  rejections(environment: string, allowed?: readonly string[]): Promise<Result<Rejection[]>>;
  /** `rejection_not_found` where it is not rejected. */
  liftRejection(environment: string, digest: string, note: string, caller: Caller): Promise<Result<null>>;
  changes(environment: string, query: ListQuery, allowed?: readonly string[]): Promise<Result<Page<Change>>>;
  change(environment: string, id: string, allowed?: readonly string[]): Promise<Result<Change>>;
  /** Approves of a change; where enough have, it is carried out, or refused with what has changed meanwhile. */
  approve(environment: string, id: string, note: string | undefined, caller: Caller): Promise<Result<Change>>;
  /** Ends a change that is open: by somebody with the right to approve, or by whoever requested it. */
  endChange(
    environment: string,
    id: string,
    how: "rejected" | "withdrawn",
    note: string | undefined,
    caller: Caller,
  ): Promise<Result<Change>>;
  postCheck(digest: string, body: CheckBody, caller: Caller): Promise<Result<Check>>;
  checks(digest: string): Promise<Result<Check[]>>;
}
