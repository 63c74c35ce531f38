import { DurableObject } from "cloudflare:workers";
import type { Result } from "../../domain/result.ts";
import type { CheckBody } from "../../protocol/v3/deploys.ts";
import type { ListQuery } from "../../protocol/v3/list.ts";
import type { PatchEnvironmentBody } from "../../protocol/v3/services.ts";
import type { Caller, Mode, MoveRequest, PinParams, ServiceDeploysRpc } from "../contract.ts";
import type { Env } from "../env.ts";
import * as amend from "./deploys/amend.ts";
import { doneOrRefused } from "./deploys/carry-out.ts";
import { getChange, listChanges } from "./deploys/changes.ts";
import * as deploys from "./deploys/deploys.ts";
import type { Carrying } from "./deploys/move.ts";
import { requesterNow } from "./deploys/requester.ts";
import { ServiceParts } from "./parts.ts";

/** The part of a Service object that changes its environments. */
export class DeployingService extends DurableObject<Env> implements ServiceDeploysRpc {
  /** A field, which nobody can call over RPC: methods that must not be are `#private`. */
  protected parts = new ServiceParts(this.ctx, this.env);

  async patchEnvironment(name: string, patch: PatchEnvironmentBody, caller: Caller, mode: Mode = "do") {
    return this.#change(caller, (at) => amend.patchEnvironment(at, name, patch, mode));
  }

  async deleteEnvironment(name: string, caller: Caller, mode: Mode = "do") {
    return this.#change(caller, (at) => amend.deleteEnvironment(at, name, mode));
  }

  async pin(environment: string | undefined, params: PinParams, caller: Caller) {
    const request = { kind: "pin", ...params } as const;
    return doneOrRefused(await this.#change(caller, (at) => deploys.move(at, environment, request, "do")));
  }

  async move(environment: string | undefined, request: MoveRequest, caller: Caller, mode: Mode = "do") {
    return this.#change(caller, (at) => deploys.move(at, environment, request, mode));
  }

  async stop(environment: string, reason: string, caller: Caller) {
    return this.#change(caller, (at) => amend.stopEnvironment(at, environment, reason));
  }

  async unstop(environment: string, caller: Caller, mode: Mode = "do") {
    return this.#change(caller, (at) => amend.unstopEnvironment(at, environment, mode));
  }

  async candidates(environment: string, allowed?: readonly string[]) {
    return this.parts.state.reading(() =>
      deploys.candidates(this.parts.state, environment, allowed, Date.now()),
    );
  }

  async rejections(environment: string, allowed?: readonly string[]) {
    return this.parts.state.reading(() => deploys.rejections(this.parts.state, environment, allowed));
  }

  async liftRejection(environment: string, digest: string, note: string, caller: Caller) {
    return this.#change(caller, (at) => deploys.liftRejection(at, environment, digest, note));
  }

  async changes(environment: string, query: ListQuery, allowed?: readonly string[]) {
    return this.parts.state.reading(() =>
      listChanges(this.parts.state, environment, query, allowed, Date.now()),
    );
  }

  async change(environment: string, id: string, allowed?: readonly string[]) {
    return this.parts.state.reading(() => getChange(this.parts.state, environment, id, allowed, Date.now()));
  }

  async approve(environment: string, id: string, note: string | undefined, caller: Caller) {
    const requester = await requesterNow(this.env, this.parts.state, id);
    return this.#change(caller, (at) => deploys.approve(at, environment, id, note, requester));
  }

  async endChange(...[environment, id, how, note, caller]: Parameters<ServiceDeploysRpc["endChange"]>) {
    return this.#change(caller, (at) => deploys.endChange(at, environment, id, how, note));
  }

  async postCheck(digest: string, body: CheckBody, caller: Caller) {
    return this.#change(caller, (at) => deploys.postCheck(at, digest, body));
  }

  async checks(digest: string) {
    return this.parts.state.reading(() => deploys.checks(this.parts.state, digest));
  }

  /** A change of an environment, which may hold more than before, and leave something to send. */
  #change<T>(caller: Caller, act: (at: Carrying) => Result<T>): Promise<Result<T>> {
    const { state } = this.parts;
    return this.parts.change((service) => act({ state, service, caller, now: Date.now() }));
  }
}
