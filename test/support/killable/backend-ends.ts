import type { z } from "zod";
import { backendAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { type Backend, backendList } from "../../../src/protocol/v3/backends.ts";
import { call } from "../api.ts";
import type { BrokenRule, EngineWitness } from "../docker/engine-witness.ts";

type Api = { api_url: string; token: string };

/** An engine puts a container's end on disk before it reports it, and whoever waits for that end knows it first. */
const engineReportsWithinMs = 500;

type Status = z.infer<typeof backendAnswer>["statuses"][number];

/** Whether a spawn was ended after its last attempt had failed, with no report of its cluster. */
function wasGivenUp({ termination_reason, last_status }: Status): boolean {
  return termination_reason === "startuptimeout" && last_status === "scheduled";
}

/** All backends of a service that a list shows, over as many pages as it takes. */
async function listBackends(api: Api, service: string, query: string): Promise<Backend[]> {
  const found: Backend[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const path = `/v3/accounts/acme/services/${service}/backends?limit=200${query}${cursor}`;
    const page: z.infer<typeof backendList> = await call(api, backendList, path);
    found.push(...page.backends);
    cursor = page.next_cursor === undefined ? null : `&cursor=${page.next_cursor}`;
  }
  return found;
}

/** Checks the end states of backends: by the API, and by their engine. */
export class BackendEnds {
  readonly #api: Api;
  readonly #service: string;
  readonly #witness: EngineWitness;
  readonly #ended = new Set<string>();

  constructor(api: Api, service: string, witness: EngineWitness) {
    this.#api = api;
    this.#service = service;
    this.#witness = witness;
  }

  /**
   * The backends that are not in exactly one end: ready, with the one container running, or terminated for a reason
   * and without a container. Those that are still on the way to one are among them.
   * @param named those to look for, besides all that the API lists and the engine has run
   */
  async open(named: Iterable<string>): Promise<BrokenRule[]> {
    const live = await listBackends(this.#api, this.#service, "");
    const listed = await listBackends(this.#api, this.#service, "&status=terminated");
    const containers = Map.groupBy(await this.#witness.look(), ({ backendId }) => backendId);
    const states = new Map(live.map(({ id, status }) => [id, status]));
    const run = this.#witness.lives.map(({ backendId }) => backendId);
    const ids = new Set([
      ...named,
      ...run,
      ...containers.keys(),
      ...states.keys(),
      ...listed.map(({ id }) => id),
    ]);
    const open: BrokenRule[] = [];
    for (const id of ids) {
      const status = states.get(id);
      const left = containers.get(id) ?? [];
      const wrong =
        status === undefined
          ? [await this.#whyNotEnded(id), left.length > 0 ? "it is not live and has a container" : null]
          : [
              status === "ready" ? null : `it is ${status}`,
              left.length === 1 && left[0]?.isRunning ? null : `it is live and has ${left.length} containers`,
            ];
      open.push(...wrong.flatMap((rule) => (rule === null ? [] : [{ backendIds: [id], rule }])));
    }
    const running = new Set(run.filter((id) => containers.get(id)?.some(({ isRunning }) => isRunning)));
    for (const { backendId, to } of this.#witness.lives) {
      if (to === Number.POSITIVE_INFINITY && !running.has(backendId)) {
        open.push({ backendIds: [backendId], rule: "the engine has not reported its end" });
      }
    }
    return open;
  }

  async #whyNotEnded(id: string): Promise<string | null> {
    if (this.#ended.has(id)) return null;
    const { statuses } = await call(this.#api, backendAnswer, `/v2/backend/${id}`);
    const last = statuses.at(-1);
    if (last?.status !== "terminated") return `no list shows it as live, but it is ${last?.status}`;
    if (last.termination_reason === undefined && last.exit_code === undefined) {
      return "it is terminated without a reason";
    }
    const freedAt = (Date.parse(last.time) + engineReportsWithinMs) * 1e6;
    // What has no key runs on while its cluster is taken for lost, and is stopped when that sends heartbeats again. A
    // spawn that was given up may have been started by the attempt whose answer was lost: it is stopped likewise.
    const isStoppedLater = last.termination_reason === "lost" || wasGivenUp(last);
    const mayOutlive = (key: string | null) => key === null && isStoppedLater;
    const outlived = this.#witness.lives.some(
      ({ backendId, key, to }) => backendId === id && to > freedAt && !mayOutlive(key),
    );
    if (outlived) return `its container outlived its end: ${JSON.stringify(statuses)}`;
    this.#ended.add(id);
    return null;
  }
}
