import { backoffDelayMs } from "../../domain/deliveries/retry.ts";
import { refollowBackoff, refollowLongestMs } from "../../domain/limits.ts";
import type { Env } from "../../objects/env.ts";
import { FailureLog } from "../../objects/failures/failure-log.ts";
import { budgetSpent } from "../../objects/failures/unreached.ts";
import { accountStub, serviceStub } from "../../objects/stubs.ts";
import { type ServiceNudge, serviceNudge, serviceParts } from "../../protocol/service-nudge.ts";
import type { AccountEvent } from "../../protocol/v3/events.ts";
import { eventsPath, readEvent } from "./event-stream.ts";
import { followMessages, openFollowing } from "./follow.ts";
import { type PullSource, pulledStream, type Step } from "./pulled-stream.ts";

/** A recorded event; null where events may have been missed. */
export interface AccountChange {
  event: AccountEvent | null;
}

/**
 * An account's events from now on. Emits `{event: null}` once the account is followed, and again after each reconnect.
 * Ends when its reader cancels it, and where there is no such account.
 */
export function accountChanges(env: Env, account: string): ReadableStream<AccountChange> {
  let last: string | null = null;
  return pulledStream(
    new FollowedObject<AccountChange>({
      open: () => openFollowing(accountStub(env, account), eventsPath(last, {})),
      read(message) {
        const { items, ...rest } = readEvent(message, {});
        last = items.at(-1)?.id ?? last;
        return { items: items.map((event) => ({ event })), ...rest };
      },
      failures: new FailureLog(`events of account ${account}`),
      onConnect: { event: null },
    }),
  );
}

/**
 * Which parts of a service have changed, from now on. Emits all of them once the service is followed, and again after
 * each reconnect, since changes in between were not sent. Ends when its reader cancels it, and once there is no such
 * service any more.
 */
export function serviceChanges(env: Env, account: string, service: string): ReadableStream<ServiceNudge> {
  return pulledStream(
    new FollowedObject<ServiceNudge>({
      open: () => openFollowing(serviceStub(env, account, service), "/follow/news"),
      read(message) {
        const nudge = serviceNudge.safeParse(JSON.parse(message));
        return nudge.success ? { items: [nudge.data] } : { items: [], isLast: true };
      },
      failures: new FailureLog(`changes of service ${account}/${service}`),
      onConnect: { changed: [...serviceParts] },
    }),
  );
}

/** A reader further behind is reconnected instead, which reports that anything may have changed. */
const mostUnreadChanges = 100;

interface FollowPorts<T> {
  open(): ReturnType<typeof openFollowing>;
  read(message: string): Step<T>;
  failures: FailureLog;
  /** Emitted on each connect: whatever changed before it was missed. */
  onConnect: T;
}

/** Follows an object, and reconnects with backoff where that breaks off, until its reader cancels. */
class FollowedObject<T> implements PullSource<T> {
  readonly #ports: FollowPorts<T>;
  #following: ReadableStreamDefaultReader<T> | null = null;
  #failures = 0;
  #isReleased = false;
  #wake: () => void = () => {};

  constructor(ports: FollowPorts<T>) {
    this.#ports = ports;
  }

  async next(): Promise<Step<T>> {
    while (!this.#isReleased) {
      if (this.#following) {
        const { done, value } = await this.#following.read();
        if (!done) {
          this.#failures = 0;
          return { items: [value] };
        }
        this.#following = null;
      } else {
        const opened = await this.#open();
        if (opened === "gone") break;
        if (opened === "connected") return { items: [this.#ports.onConnect] };
      }
      await this.#pause();
    }
    return { items: [], isLast: true };
  }

  async release(reason?: unknown): Promise<void> {
    this.#isReleased = true;
    this.#wake();
    await this.#following?.cancel(reason);
  }

  async #open(): Promise<"connected" | "gone" | "failed"> {
    try {
      const { open, read } = this.#ports;
      const opened = await open();
      if (!opened.socket) return opened.status === 404 ? "gone" : "failed";
      const reader = followMessages(opened.socket, { read, mostUnread: mostUnreadChanges }).getReader();
      if (this.#isReleased) await reader.cancel();
      this.#following = reader;
      this.#ports.failures.succeeded("follow");
      return "connected";
    } catch (error) {
      this.#ports.failures.failed("follow", error);
      // Its reader comes again, in an invocation that may make calls.
      return budgetSpent(error) ? "gone" : "failed";
    }
  }

  /** Waits out the backoff, or until the source is released. */
  async #pause(): Promise<void> {
    if (this.#isReleased) return;
    this.#failures += 1;
    const delayMs = Math.min(
      backoffDelayMs(refollowBackoff, this.#failures, Math.random()),
      refollowLongestMs,
    );
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
