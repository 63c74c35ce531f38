import { clusterFence, type Fence } from "../../../domain/backends/fence.ts";
import { type AgentSnapshot, isAlive, type ListingAgent } from "../../../domain/backends/lease.ts";
import type { Watch } from "../../../domain/backends/watch.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { HeartbeatBody } from "../../../protocol/v3/agent.ts";
import type { ClusterAgent } from "../../../protocol/v3/clusters.ts";
import type { AgentRow, ClusterSql } from "../cluster.sql.ts";
import { AgentList, type EnteredList } from "./agent-list.ts";

/** That there is one is what matters; the ids are there for those that come back. */
const goneKept = 1_000;

export interface Agent extends ListingAgent {
  /** Its first heartbeat, in milliseconds since the epoch. */
  begunAt: number;
  /** Null where it has sent no heartbeat since this object awoke. */
  listed: AgentList | null;
}

/** The agents of one cluster: each as its last heartbeat left it. Their lists live in memory only: who sends changes of one that is gone sends it anew. */
export class Agents {
  readonly #sql: ClusterSql;
  readonly #watchAt: (now: number) => Watch;
  readonly #lists = new Map<string, AgentList>();

  constructor(sql: ClusterSql, watchAt: (now: number) => Watch) {
    this.#sql = sql;
    this.#watchAt = watchAt;
  }

  /** Enters a heartbeat. @returns whether it is the agent's first since this object awoke */
  enter(body: HeartbeatBody, entered: EnteredList, now: number): boolean {
    this.#sql.putAgent({
      id: body.agent_id,
      version: body.version,
      draining: body.draining || body.leaving ? 1 : 0,
      fence: body.fence ?? "lease",
      leaving: body.leaving ? 1 : 0,
      capacity: body.capacity ?? null,
      backends: entered.size,
      last_heartbeat_at: now,
      disk_free_bytes: body.disk?.free_bytes ?? null,
      disk_total_bytes: body.disk?.total_bytes ?? null,
    });
    const gone = this.goneWithProof();
    if (gone.includes(body.agent_id)) {
      this.#sql.setGoneWithProof(gone.filter((id) => id !== body.agent_id));
    }
    const isNew = !this.#lists.has(body.agent_id);
    const list = this.#lists.get(body.agent_id) ?? new AgentList();
    this.#lists.set(body.agent_id, list);
    list.enter(entered);
    return isNew;
  }

  /** What an agent lists; null where it has sent no list since this object awoke, or is forgotten. */
  listOf(id: string): AgentList | null {
    return this.#lists.get(id) ?? null;
  }

  alive(now: number): Agent[] {
    return this.#rows(now)
      .filter(({ agent }) => isAlive(agent, now))
      .map(({ row, agent }) => ({
        ...agent,
        id: row.id,
        lastHeartbeatAt: row.last_heartbeat_at,
        begunAt: row.begun_at,
        listed: this.#lists.get(row.id) ?? null,
      }));
  }

  /** Those that are alive, as people see them. */
  shown(now: number): ClusterAgent[] {
    return this.#rows(now).flatMap(({ row, agent }) => (isAlive(agent, now) ? [agentView(row)] : []));
  }

  /** Forgets those that are not alive any more, inside a transaction. @returns whether there were any */
  forgetDead(now: number): boolean {
    const dead = this.#rows(now).filter(({ agent }) => !isAlive(agent, now));
    const ofProof = dead.flatMap(({ row }) => (row.fence === "proof" ? [row.id] : []));
    if (ofProof.length > 0)
      this.#sql.setGoneWithProof([...this.goneWithProof(), ...ofProof].slice(-goneKept));
    for (const { row } of dead) {
      this.#sql.deleteAgent(row);
      this.#lists.delete(row.id);
    }
    return dead.length > 0;
  }

  /** The agents that needed proof when they were last heard, and are forgotten since. */
  goneWithProof(): string[] {
    return JSON.parse(this.#sql.cluster()?.gone_with_proof ?? "[]");
  }

  /** What shows that a backend of this cluster has ended, while its agent is silent. */
  fence(): Fence {
    return clusterFence(this.#sql.agents(), this.goneWithProof());
  }

  /** Call when the rows of all agents were deleted. */
  forgetLists(): void {
    this.#lists.clear();
  }

  #rows(now: number): { row: AgentRow; agent: AgentSnapshot }[] {
    const { from } = this.#watchAt(now);
    return this.#sql.agents().map((row) => ({
      row,
      agent: { silentSince: Math.max(row.last_heartbeat_at, from), draining: row.draining === 1 },
    }));
  }
}

function agentView(row: AgentRow): ClusterAgent {
  const { disk_free_bytes: free, disk_total_bytes: total } = row;
  return {
    id: row.id,
    version: row.version,
    last_heartbeat_at: isoTime(row.last_heartbeat_at),
    draining: row.draining === 1,
    ...(row.leaving === 1 ? { leaving: true as const } : {}),
    backends: row.backends,
    ...(row.capacity === null ? {} : { capacity: row.capacity }),
    ...(free === null || total === null ? {} : { disk: { free_bytes: free, total_bytes: total } }),
  };
}
