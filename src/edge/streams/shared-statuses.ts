import type { StatusEntry } from "../../domain/backends/status.ts";
import { BoundedMap } from "../../domain/bounded-map.ts";
import {
  leadBeatEveryMs,
  leadSilentMs,
  leadSuspectedMs,
  leadWatchedEveryMs,
  leadWatchedLongestMs,
} from "../../domain/limits.ts";
import { type Failure, fail, ok, type Result } from "../../domain/result.ts";
import { statusEntry } from "../../protocol/status-entry.ts";
import { followMessages } from "./follow.ts";
import type { PullSource, Step } from "./pulled-stream.ts";

/** More than an isolate has room to stream. One that is evicted goes on; who comes later follows its backend anew. */
const backendsShared = 10_000;

/** The stream that follows a backend for all of its isolate. */
interface Lead {
  /** When it last showed that it is there, in milliseconds since the epoch. */
  seenAt: number;
}

/**
 * What the streams of one backend have in common. Plain data only: a socket, a timer or a stream belongs to the request
 * that made it, and no other may touch it. What one request may do for another is to resolve a promise that the other
 * has made; what awaits it then goes on in the request that made it (`handle_cross_request_promise_resolution`).
 */
interface Shared {
  history: StatusEntry[];
  lead: Lead | null;
  /** Why nobody follows it any more. */
  failure: Failure | null;
  /** Wake the streams that wait for a change, in the order in which they began to. */
  waiting: Set<() => void>;
}

/** Opens a socket that carries a backend's statuses, the history first. */
type Open = () => Promise<Result<WebSocket>>;

/**
 * Lets all streams of a backend share one socket to its shard. The first of them follows the shard and records what it
 * learns, for all; when it ends, one of the others takes over, and nothing is missed since a shard begins with the
 * history. A request may also end without another word, so that those who wait look whether the lead is still there.
 */
export class SharedStatuses {
  readonly #byBackend = new BoundedMap<Shared>(backendsShared);

  /**
   * Follows a backend, and resolves once there is something to show. Fails as `open` does.
   * @param whileWaiting called now and then while the source waits for the next status
   */
  async follow(
    backendId: string,
    open: Open,
    whileWaiting: () => void = () => {},
  ): Promise<Result<PullSource<StatusEntry>>> {
    const known = this.#byBackend.get(backendId);
    const shared = known ?? { history: [], lead: null, failure: null, waiting: new Set() };
    if (!known) this.#byBackend.set(backendId, shared);
    const forget = () => {
      if (this.#byBackend.get(backendId) === shared) this.#byBackend.delete(backendId);
    };
    const follower = new SharedFollower(shared, { open, forget, whileWaiting });
    const failure = await follower.begin();
    return failure ? { ok: false, error: failure } : ok(follower);
  }
}

interface FollowerPorts {
  open: Open;
  /** Called when nobody follows the backend any more. */
  forget(): void;
  whileWaiting(): void;
}

class SharedFollower implements PullSource<StatusEntry> {
  readonly #shared: Shared;
  readonly #ports: FollowerPorts;
  #position = 0;
  #hasLeft = false;
  /** A lead that was silent when it was last looked after: perhaps the isolate was, and it is late like all others. */
  #suspected: Lead | null = null;
  #wake: () => void = () => {};
  /** Of this stream's own request, while it leads. */
  #stopLeading: (() => void) | null = null;

  constructor(shared: Shared, ports: FollowerPorts) {
    this.#shared = shared;
    this.#ports = ports;
  }

  /** Waits until there is a history. @returns why there will be none */
  async begin(): Promise<Failure | null> {
    const shared = this.#shared;
    while (shared.history.length === 0 && !shared.failure) await this.#change();
    return shared.history.length === 0 ? shared.failure : null;
  }

  async next(): Promise<Step<StatusEntry>> {
    const { history } = this.#shared;
    while (this.#position === history.length) {
      if (this.#hasLeft || this.#shared.failure || isOver(history)) return { items: [], isLast: true };
      await this.#change();
    }
    const items = history.slice(this.#position);
    this.#position = history.length;
    return { items, isLast: isOver(history) };
  }

  release(): void {
    this.#hasLeft = true;
    this.#shared.waiting.delete(this.#wake);
    this.#wake();
    this.#stopLeading?.();
  }

  /** Waits for a change at most until it is time to look after the lead, or becomes the lead. */
  async #change(): Promise<void> {
    const { lead, waiting } = this.#shared;
    const isSilent = lead !== null && Date.now() - lead.seenAt > leadSilentMs;
    if (!lead || (isSilent && lead === this.#suspected)) return this.#takeLead();
    this.#suspected = isSilent ? lead : null;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watchMs = isSilent
      ? leadSuspectedMs
      : Math.min(leadWatchedEveryMs * (waiting.size + 1), leadWatchedLongestMs);
    const timer = setTimeout(resolve, watchMs);
    this.#wake = resolve;
    waiting.add(resolve);
    await promise;
    // Here and not where it is resolved: that may be in another request, which has timers of its own.
    clearTimeout(timer);
    waiting.delete(resolve);
    this.#ports.whileWaiting();
  }

  async #takeLead(): Promise<void> {
    const shared = this.#shared;
    const lead: Lead = { seenAt: Date.now() };
    shared.lead = lead;
    let opened: Result<WebSocket> | undefined;
    try {
      opened = await this.#ports.open();
    } finally {
      if (shared.lead === lead && !opened?.ok) this.#end(opened?.error ?? cannotFollow().error);
    }
    if (!opened.ok) return;
    const reader = followMessages(opened.value, { read: (message) => this.#record(message) }).getReader();
    const beating = setInterval(() => {
      lead.seenAt = Date.now();
      // Another has taken it for gone, and follows the shard itself.
      if (shared.lead !== lead) this.#stopLeading?.();
    }, leadBeatEveryMs);
    const stop = () => {
      clearInterval(beating);
      this.#stopLeading = null;
    };
    this.#stopLeading = () => {
      stop();
      void reader.cancel();
      if (shared.lead === lead) this.#handOver();
    };
    void reader.closed.then(() => {
      stop();
      if (shared.lead === lead) this.#end(cannotFollow().error);
    });
    if (this.#hasLeft || shared.lead !== lead) this.#stopLeading();
  }

  /** Records a status for all. A new lead is sent again what an earlier one was; each status comes once. */
  #record(message: string): Step<never> {
    const { history } = this.#shared;
    const entry = statusEntry.safeParse(JSON.parse(message));
    // During a rollout the shard may run another version than the Worker.
    if (!entry.success) return { items: [], isLast: true };
    if (!history.some(({ status }) => status === entry.data.status)) {
      history.push(entry.data);
      this.#wakeAll();
    }
    return { items: [], isLast: isOver(history) };
  }

  /** To whoever came last: where people leave in the order in which they came, that happens once. */
  #handOver(): void {
    this.#shared.lead = null;
    const next = [...this.#shared.waiting].at(-1);
    if (next) next();
    else this.#ports.forget();
  }

  #end(failure: Failure): void {
    this.#shared.lead = null;
    this.#shared.failure = failure;
    this.#ports.forget();
    this.#wakeAll();
  }

  #wakeAll(): void {
    const { waiting } = this.#shared;
    const wakes = [...waiting];
    waiting.clear();
    for (const wake of wakes) wake();
  }
}

function isOver(history: readonly StatusEntry[]): boolean {
  return history.at(-1)?.status === "terminated";
}

/** Also what a stream ends with that breaks off: its client reconnects. */
export function cannotFollow() {
  return fail("unavailable", "the statuses cannot be followed now; try again", { retryAfterSeconds: 1 });
}
