import {
  isConnectable,
  nextEntry,
  type StatusEntry,
  type StatusReport,
} from "../../domain/backends/status.ts";
import { endedBackendsKeptMs } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { StatusReportAnswer, StatusReportBody } from "../../protocol/v3/agent.ts";
import type { BackendQuery } from "../../protocol/v3/backends.ts";
import { Alarm } from "../alarm.ts";
import type { BackendRecord, BackendsRpc, BackendWithStatus } from "../contract.ts";
import { Database } from "../database.ts";
import { FollowedObject, Followers } from "../followers.ts";
import { matches } from "../service/backends/backend-list.ts";
import { serviceStub } from "../stubs.ts";
import { backendsMigrations, backendsSql } from "./backends.sql.ts";
import { tellEntries, tellFollowers } from "./followers.ts";

/**
 * Status histories of one shard of a service's backends. A report that keys or deadlines depend on is told to the
 * Service object before it is written here: it is acknowledged when both know it, and an agent repeats what was
 * not acknowledged. What this object believes to be alive it checks once after each awakening, for reports that
 * nobody repeated.
 */
export class Backends extends FollowedObject implements BackendsRpc {
  readonly #db = new Database(this.ctx.storage, backendsMigrations);
  readonly #sql = backendsSql(this.#db);
  readonly #alarm = new Alarm(this.ctx);
  readonly #followers = new Followers(this.ctx);
  /** Backends that the Service object was seen to know since this object awoke. */
  readonly #checked = new Set<string>();

  async describe(account: string, service: string, backendId: string): Promise<Result<BackendRecord>> {
    const stored = this.#stored(backendId);
    const isComplete = stored?.baseUrl != null && this.#checked.has(backendId);
    if (stored && (hasEnded(stored) || isComplete)) return ok(stored);
    const learned = await serviceStub(this.env, account, service).learn(backendId, false);
    if (learned.ok) this.#checked.add(backendId);
    const present = this.#stored(backendId);
    if (learned.ok) {
      const { history, baseUrl } = learned.value;
      const record = this.#append(present ?? begun(learned.value), history, baseUrl);
      // The cluster's answer, which carries the URL, can come after its first report.
      return ok({ ...record, baseUrl: record.baseUrl ?? baseUrl });
    }
    if (!present) return learned;
    if (hasEnded(present)) return ok(present);
    const end = { status: "terminated", termination_reason: "lost", time: Date.now() } as const;
    return ok(this.#append(present, [end], null));
  }

  async report(
    account: string,
    service: string,
    cluster: string,
    backendId: string,
    body: StatusReportBody,
  ): Promise<Result<StatusReportAnswer>> {
    const owner = serviceStub(this.env, account, service);
    let record = this.#stored(backendId);
    if (!record) {
      const learned = await owner.learn(backendId, true);
      if (!learned.ok) return learned;
      record = this.#stored(backendId) ?? learned.value;
      this.#checked.add(backendId);
    }
    if (record.info.cluster !== cluster)
      return fail("backend_not_found", `backend \`${backendId}\` not found`);
    const entry = nextEntry(record.history, body, Date.now());
    if (!entry || body.fencing_token !== record.info.fencingToken) return ok(refusal(record));

    const url = body.url?.replace(/\/+$/, "") ?? null;
    if (concernsService(entry) || (url !== null && url !== record.baseUrl)) {
      await owner.statusReached(backendId, record.info.fencingToken, entry, url);
    }
    const before = this.#stored(backendId) ?? record;
    const after = this.#append(before, [{ ...body, time: Date.now() }], url);
    return ok({ ...refusal(after), accepted: after.history.length > before.history.length });
  }

  async record(backend: BackendRecord): Promise<Result<null>> {
    this.#append(this.#stored(backend.info.id) ?? begun(backend), backend.history, backend.baseUrl);
    return ok(null);
  }

  async ended(
    query: BackendQuery,
    before: number,
    allowedEnvironments?: readonly string[],
  ): Promise<BackendWithStatus[]> {
    if (!this.#db.ready) return [];
    return this.#sql
      .endedBackends()
      .flatMap((row) => {
        const { info, history } = toRecord(row);
        const status = history.at(-1);
        return status ? [{ info, status }] : [];
      })
      .filter((backend) => backend.info.fencingToken < before && matches(query, backend, allowedEnvironments))
      .sort((a, b) => b.info.fencingToken - a.info.fencingToken)
      .slice(0, query.limit + 1);
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
    const { history } = this.#stored(backendId) ?? record.value;
    return this.#followers.answer(backendId, (socket) => tellEntries(socket, history));
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#sql.deleteEndedBefore(Date.now() - endedBackendsKeptMs);
    const firstEnd = this.#sql.firstEnd();
    this.#alarm.noLaterThan(firstEnd === null ? null : firstEnd + endedBackendsKeptMs);
  }

  #stored(backendId: string): BackendRecord | undefined {
    const row = this.#db.ready ? this.#sql.backend(backendId) : undefined;
    return row && toRecord(row);
  }

  /** Writes what `reports` add to a history, if they add anything, and tells the followers. */
  #append(
    record: BackendRecord,
    reports: readonly (StatusReport & { time: number })[],
    baseUrl: string | null,
  ): BackendRecord {
    const history = [...record.history];
    for (const report of reports) {
      const entry = nextEntry(history, report, report.time);
      if (entry) history.push(entry);
    }
    const last = history.at(-1);
    if (!last || history.length === record.history.length) return record;
    const written: BackendRecord = { info: record.info, history, baseUrl: baseUrl ?? record.baseUrl };
    if (!this.#db.ready) this.#db.migrate();
    this.#sql.putBackend({
      id: record.info.id,
      info: JSON.stringify(record.info),
      history: JSON.stringify(history),
      base_url: written.baseUrl,
      ended_at: last.status === "terminated" ? last.time : null,
    });
    tellFollowers(this.#followers, record.info.id, history.slice(record.history.length));
    if (last.status === "terminated") {
      this.#checked.delete(record.info.id);
      this.#alarm.noLaterThan(last.time + endedBackendsKeptMs);
    }
    return written;
  }
}

function toRecord(row: { info: string; history: string; base_url: string | null }): BackendRecord {
  return { info: JSON.parse(row.info), history: JSON.parse(row.history), baseUrl: row.base_url };
}

/** What every follower of a backend has been told, also while nothing of it is written here. */
function begun(record: BackendRecord): BackendRecord {
  return { ...record, history: record.history.slice(0, 1) };
}

function hasEnded(record: BackendRecord): boolean {
  return record.history.at(-1)?.status === "terminated";
}

/** Keys and deadlines depend on these; the steps up to `ready` matter to nobody but those who watch. */
function concernsService({ status }: StatusEntry): boolean {
  return status === "ready" || !isConnectable(status);
}

/** The answer to a report that adds nothing. */
function refusal(record: BackendRecord): StatusReportAnswer {
  return { accepted: false, current: record.history.at(-1)?.status ?? "scheduled" };
}
