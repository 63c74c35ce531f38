import {
  type AgentSnapshot,
  isAlive,
  type ListingAgent,
  type ReportedBackend,
} from "../../../domain/backends/lease.ts";
import { serviceCodeLength } from "../../../domain/ids.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { HeartbeatBody } from "../../../protocol/v3/agent.ts";
import type { ClusterAgent } from "../../../protocol/v3/clusters.ts";
import type { AgentRow, ClusterSql } from "../cluster.sql.ts";

/** What an agent lists, by the code of the service that each backend belongs to. */
export type AgentList = ReadonlyMap<string, readonly ReportedBackend[]>;

export interface Agent extends AgentSnapshot {
  /** Null where it has sent no heartbeat since this object awoke. */
  listed: AgentList | null;
}

export function listByService(backends: readonly ReportedBackend[]): AgentList {
  return Map.groupBy(backends, ({ id }) => id.slice(0, serviceCodeLength));
}

/** The agents of one cluster: each as its last heartbeat left it. Their lists live in memory only: they come anew every 10 s. */
export class Agents {
  readonly #sql: ClusterSql;
  readonly #lists = new Map<string, AgentList>();

  constructor(sql: ClusterSql) {
    this.#sql = sql;
  }

  /** Enters a heartbeat. @returns whether it is the agent's first since this object awoke */
  enter(body: HeartbeatBody, list: AgentList, now: number): boolean {
    this.#sql.putAgent({
      id: body.agent_id,
      version: body.version,
      draining: body.draining ? 1 : 0,
      capacity: body.capacity ?? null,
      backends: body.backends.length,
      last_heartbeat_at: now,
    });
    const isNew = !this.#lists.has(body.agent_id);
    this.#lists.set(body.agent_id, list);
    return isNew;
  }

  alive(now: number): Agent[] {
    return this.#sql
      .agents()
      .map((row) => ({ ...snapshotOf(row), listed: this.#lists.get(row.id) ?? null }))
      .filter((agent) => isAlive(agent, now));
  }

  /** The agents that are alive, with the backends of one service that each lists. */
  listing(code: string, now: number): ListingAgent[] {
    return this.alive(now).map((agent) => ({
      ...agent,
      listed: agent.listed && new Set((agent.listed.get(code) ?? []).map(({ id }) => id)),
    }));
  }

  /** Forgets those that are not alive any more, inside a transaction. @returns whether there were any */
  forgetDead(now: number): boolean {
    const dead = this.#sql.agents().filter((row) => !isAlive(snapshotOf(row), now));
    for (const row of dead) {
      this.#sql.deleteAgent(row);
      this.#lists.delete(row.id);
    }
    return dead.length > 0;
  }

  /** Call when the rows of all agents were deleted. */
  forgetLists(): void {
    this.#lists.clear();
  }
}

export function snapshotOf(row: AgentRow): AgentSnapshot {
  return { lastHeartbeatAt: row.last_heartbeat_at, draining: row.draining === 1 };
}

export function agentView(row: AgentRow): ClusterAgent {
  return {
    id: row.id,
    version: row.version,
    last_heartbeat_at: isoTime(row.last_heartbeat_at),
    draining: row.draining === 1,
    backends: row.backends,
    ...(row.capacity === null ? {} : { capacity: row.capacity }),
  };
}
