import {
  liveBackendsPerCall,
  runningBackendsListed,
  servicesReadAtOnce,
  servicesReadForBackends,
} from "../../domain/limits.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { BackendWithStatus } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { serviceStub } from "../../objects/stubs.ts";
import { toFullState } from "../../protocol/backend-state.ts";
import { isoTime } from "../../protocol/primitives.ts";
import { servicePages } from "./jamsocket-services.ts";

/** The live backends of an account's services, as v1 and v2 list them: the newest, of the first services by name. */
export async function runningBackends(env: Env, account: string) {
  const newest = new Newest(runningBackendsListed);
  let left = servicesReadForBackends;
  for await (const names of servicePages(env, account)) {
    if (!names.ok) return names;
    const read = names.value.slice(0, left);
    left -= read.length;
    for (let at = 0; at < read.length; at += servicesReadAtOnce) {
      const some = read.slice(at, at + servicesReadAtOnce);
      const answers = await Promise.all(some.map((name) => readService(env, account, name, newest)));
      const failed = answers.find((answer) => !answer.ok);
      if (failed && !failed.ok) return failed;
    }
    if (left === 0) break;
  }
  return ok({ running_backends: newest.backends().map(runningBackend) });
}

/** Reads a service's live backends, page by page, for as long as they are among the newest. */
async function readService(env: Env, account: string, name: string, newest: Newest): Promise<Result<null>> {
  for (let before: number | undefined; ; ) {
    const page = await serviceStub(env, account, name).liveBackends(before);
    if (!page.ok) return page.error.code === "service_not_found" ? ok(null) : page;
    newest.add(page.value);
    const last = page.value.at(-1);
    const isLastPage = last === undefined || page.value.length < liveBackendsPerCall;
    if (isLastPage || !newest.hasRoomFor(last)) return ok(null);
    before = last.info.fencingToken;
  }
}

/** The newest of all backends that were added, a bounded number. */
class Newest {
  readonly #atMost: number;
  #backends: BackendWithStatus[] = [];

  constructor(atMost: number) {
    this.#atMost = atMost;
  }

  add(backends: readonly BackendWithStatus[]): void {
    this.#backends.push(...backends);
    if (this.#backends.length > 2 * this.#atMost) this.#backends = this.backends();
  }

  /** Whether one that is older than this could be among them. */
  hasRoomFor({ info }: BackendWithStatus): boolean {
    if (this.#backends.length < this.#atMost) return true;
    this.#backends = this.backends();
    const oldest = this.#backends.at(-1);
    return oldest !== undefined && info.createdAt > oldest.info.createdAt;
  }

  /** Newest first. */
  backends(): BackendWithStatus[] {
    return this.#backends
      .toSorted((a, b) => b.info.createdAt - a.info.createdAt || b.info.fencingToken - a.info.fencingToken)
      .slice(0, this.#atMost);
  }
}

function runningBackend({ info, status }: BackendWithStatus) {
  return {
    id: info.id,
    created_at: isoTime(info.createdAt),
    service_name: info.service,
    cluster_name: info.cluster,
    account_name: info.account,
    status: toFullState(status),
    ...(info.key === null ? {} : { key: info.key }),
  };
}
