import { DurableObject } from "cloudflare:workers";
import { forgetEndedAt } from "../../domain/backends/ended.ts";
import { endedBackendsKeptMs, endedForgottenAtOnce } from "../../domain/limits.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { StatusReportAnswer, StatusReportBody } from "../../protocol/v3/agent.ts";
import { Alarm } from "../alarm.ts";
import type { BackendRecord, BackendsRpc, EndedRequest } from "../contract.ts";
import type { Env } from "../env.ts";
import { Followers, followerLeft } from "../followers.ts";
import { serviceStub } from "../stubs.ts";
import { endedBackends } from "./ended.ts";
import { sendHistory } from "./followers.ts";
import {
  type BackendsPorts,
  describeBackend,
  latestRecord,
  recordBackend,
  reportStatus,
} from "./histories.ts";
import { BackendsState } from "./state.ts";

/**
 * Status histories of one shard of a service's backends. A report that keys or deadlines depend on reaches the
 * Service object first, which keeps it while the backend lives: here it is in memory, and written with the end. An agent
 * repeats what was not acknowledged. What this object believes to be alive it learns again once after each awakening, with what
 * the Service object has of it.
 */
export class Backends extends DurableObject<Env> implements BackendsRpc {
  readonly #state = new BackendsState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx);
  readonly #followers = new Followers(this.ctx);
  readonly #ports: BackendsPorts = {
    state: this.#state,
    alarm: this.#alarm,
    followers: this.#followers,
  };

  describe(account: string, service: string, backendId: string): Promise<Result<BackendRecord>> {
    return describeBackend(this.#ports, serviceStub(this.env, account, service), backendId);
  }

  report(
    account: string,
    service: string,
    cluster: string,
    backendId: string,
    body: StatusReportBody,
  ): Promise<Result<StatusReportAnswer>> {
    return reportStatus(this.#ports, serviceStub(this.env, account, service), cluster, backendId, body);
  }

  async record(backend: BackendRecord): Promise<Result<null>> {
    recordBackend(this.#ports, backend);
    return ok(null);
  }

  async ended(request: EndedRequest) {
    return endedBackends(this.#state, request);
  }

  /** `GET /follow/<backend id>?account=…&service=…` as a WebSocket: the history, then each new entry. 503 where it is full. */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const backendId = url.pathname.slice("/follow/".length);
    const record = await this.describe(
      url.searchParams.get("account") ?? "",
      url.searchParams.get("service") ?? "",
      backendId,
    );
    if (!record.ok) return new Response(null, { status: 404 });
    const { history } = latestRecord(this.#state, record.value);
    return this.#followers.answer(backendId, (socket) => sendHistory(socket, history));
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    followerLeft(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    followerLeft(socket);
  }

  override async alarm(): Promise<void> {
    const { sql, db } = this.#state;
    this.#alarm.fired();
    if (!db.ready) return;
    const now = Date.now();
    sql.deleteEndedBefore(now - endedBackendsKeptMs, endedForgottenAtOnce);
    if (sql.isEmpty()) await db.clear();
    else this.#alarm.noLaterThan(forgetEndedAt(sql.firstEnd(), now));
  }
}
