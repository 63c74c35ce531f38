import type { z } from "zod";
import { slipwayClient } from "../../../src/agent/control-plane/client.ts";
import { type Heartbeat, startHeartbeat } from "../../../src/agent/control-plane/heartbeat.ts";
import { createdToken } from "../../../src/protocol/v3/accounts.ts";
import type { ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { call } from "../subject.ts";
import type { SpawnSink } from "../webhook-sink.ts";
import { backendIdOf, firstEnvironment, type Population, tokenOf } from "./population.ts";
import type { Served } from "./states.ts";

const heartbeatTimeoutMs = 120_000;
const never = 24 * 60 * 60_000;
const agentsMax = 50;

/** What of a request differs from that of an admin of the account. */
export interface Shot {
  body?: unknown;
  /** 2xx where it is left out. */
  status?: number;
  token?: string;
}

/** One served state with those who use it: what a row of the table sends its requests with. */
export class World {
  readonly population: Population;
  readonly code: string;
  readonly agentToken: string;
  /** Backends that were spawned here, in that order. */
  readonly spawned: string[] = [];
  /** Digests that were pushed here. */
  readonly pushed: string[] = [];
  readonly #served: Served;
  readonly #sink: Pick<SpawnSink, "fencingTokenOf">;
  readonly #counters = new Map<string, number>();
  readonly #agents: Heartbeat[] = [];
  #narrowToken: string | null = null;

  /** @param sink the cluster's */
  constructor(served: Served, sink: Pick<SpawnSink, "fencingTokenOf">) {
    this.#served = served;
    this.population = served.state.population;
    this.code = served.state.code;
    this.agentToken = served.state.subject.agentToken;
    this.#sink = sink;
  }

  get origin(): string {
    return this.#served.workerd.origin;
  }

  get agentCount(): number {
    return Math.min(agentsMax, this.population.live);
  }

  /** 0, 1, … */
  next(counter: string): number {
    const value = this.#counters.get(counter) ?? 0;
    this.#counters.set(counter, value + 1);
    return value;
  }

  /** Sends one request, and reads its answer whole. @throws with the answer where its status is another */
  async send(method: string, path: string, shot: Shot = {}): Promise<string> {
    const { body, status, token = this.#served.state.subject.token } = shot;
    const response = await fetch(this.origin + path, {
      method,
      redirect: "manual",
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (status === undefined ? !response.ok : response.status !== status) {
      throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    }
    return text;
  }

  /** A page of the dashboard. */
  async page(path: string): Promise<void> {
    const headers = { cookie: `slipway_session=${this.#served.state.subject.token}` };
    const response = await fetch(this.origin + path, { headers, redirect: "manual" });
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`${path} was answered ${response.status}`);
  }

  /** Reports a status of a backend that was spawned here. */
  async report(id: string, change: Record<string, unknown>): Promise<void> {
    const body = { ...change, fencing_token: await this.#sink.fencingTokenOf(id) };
    await this.send("POST", `/v3/agent/backends/${id}/status`, { body, token: this.agentToken });
  }

  /** A token that reaches one environment of the service and nothing else. */
  async narrowToken(): Promise<string> {
    if (this.#narrowToken === null) {
      const body = { name: "narrow", role: "read", service: "hello", environments: [firstEnvironment] };
      const { token } = this.#served.state.subject;
      const path = "/v3/accounts/bench/tokens";
      this.#narrowToken = (await call(createdToken, this.origin, token, "POST", path, body)).secret_token;
    }
    return this.#narrowToken;
  }

  /** One heartbeat of an agent that runs a share of the seeded live backends, as the agent of this repository sends it. */
  async beat(agent: number): Promise<void> {
    const running = this.#agents[agent] ?? this.#startAgent(`agent-${agent}`, agent, this.agentCount);
    this.#agents[agent] = running;
    await running.beatNow();
  }

  /** The same of each of the agents. */
  async beatAll(): Promise<void> {
    for (let agent = 0; agent < this.agentCount; agent++) await this.beat(agent);
  }

  /** The same of one that does not know how to send changes: with the whole list. */
  async beatWhole(): Promise<void> {
    const body = {
      cluster: "sink",
      agent_id: "agent-of-all",
      version: "bench",
      backends: this.#listed(0, 1),
    };
    await this.send("POST", "/v3/agent/heartbeat", { body, token: this.agentToken });
  }

  /** One heartbeat of an agent that runs all of them. */
  async beatForAll(): Promise<void> {
    this.#agents[agentsMax] ??= this.#startAgent("agent-of-all", 0, 1);
    await this.#agents[agentsMax].beatNow();
  }

  /** Lets go of what would keep this process running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop()));
  }

  /** The seeded live backends, or every so many of them, as their agent lists them. */
  #listed(first: number, every: number): ListedBackend[] {
    const backends: ListedBackend[] = [];
    for (let i = first; i < this.population.live; i += every) {
      const fencingToken = tokenOf({ live: i }, this.population);
      const id = backendIdOf(this.code, fencingToken);
      backends.push({ id, status: "ready", fencing_token: fencingToken, idle_seconds: 0 });
    }
    return backends;
  }

  #startAgent(name: string, first: number, every: number): Heartbeat {
    const backends = this.#listed(first, every);
    const options = { apiUrl: this.origin, agentToken: this.agentToken, timeoutMs: heartbeatTimeoutMs };
    return startHeartbeat({
      client: slipwayClient(options),
      everyMs: never,
      body: () => ({ cluster: "sink", agent_id: name, version: "bench" }),
      list: () => backends,
      now: () => performance.now(),
      onAnswer({ terminate }) {
        if (terminate.length > 0) throw new Error(`${name} is to end ${terminate.length} of its backends`);
      },
      log(event, fields) {
        throw new Error(`${name}: ${event} ${JSON.stringify(fields)}`);
      },
    });
  }
}

/** An answer of JSON. */
export function answerOf<T>(schema: z.ZodType<T>, text: string): T {
  return schema.parse(JSON.parse(text));
}
