import { backoffDelayMs } from "../../domain/deliveries/retry.ts";
import { refollowBackoff, refollowLongestMs } from "../../domain/limits.ts";
import type { Env } from "../../objects/env.ts";
import { FailureLog } from "../../objects/failure-log.ts";
import { accountStub, serviceStub } from "../../objects/stubs.ts";
import { type ServiceNudge, serviceNudge, serviceParts } from "../../protocol/service-nudge.ts";
import type { AccountEvent } from "../../protocol/v3/events.ts";
import { eventsPath, hearEvent } from "./event-stream.ts";
import { followMessages, type Heard, openFollowing } from "./follow.ts";

/** An event as it is recorded; null: something may have happened that is not told. */
export interface AccountNews {
  event: AccountEvent | null;
}

/**
 * An account's events from now on. It begins with `{event: null}` once the account is followed, and has another one
 * whenever that had to be begun anew. It ends when its reader cancels it, and where there is no such account.
 */
export function accountNews(env: Env, account: string): ReadableStream<AccountNews> {
  let last: string | null = null;
  return new ReadableStream(
    new News<AccountNews>({
      open: () => openFollowing(accountStub(env, account), eventsPath(last, {})),
      hear(message) {
        const { items, ...rest } = hearEvent(message, {});
        last = items.at(-1)?.id ?? last;
        return { items: items.map((event) => ({ event })), ...rest };
      },
      failures: new FailureLog(`events of account ${account}`),
      begun: { event: null },
    }),
    { highWaterMark: 0 },
  );
}

/**
 * Which parts of a service have changed, from now on. It begins with all of them once the service is followed, and has
 * that again whenever following had to be begun anew: then something may have changed that was not told. It ends when
 * its reader cancels it, and where there is no such service any more.
 */
export function serviceNews(env: Env, account: string, service: string): ReadableStream<ServiceNudge> {
  return new ReadableStream(
    new News<ServiceNudge>({
      open: () => openFollowing(serviceStub(env, account, service), "/follow/news"),
      hear(message) {
        const nudge = serviceNudge.safeParse(JSON.parse(message));
        return nudge.success ? { items: [nudge.data] } : { items: [], isLast: true };
      },
      failures: new FailureLog(`news of service ${account}/${service}`),
      begun: { changed: [...serviceParts] },
    }),
    { highWaterMark: 0 },
  );
}

/** More than that does not wait for a reader: it is told that something may have changed when it reads again. */
const mostUnreadNews = 100;

interface NewsPorts<T> {
  open(): ReturnType<typeof openFollowing>;
  hear(message: string): Heard<T>;
  failures: FailureLog;
  /** What is told whenever following has begun. */
  begun: T;
}

/** Follows an object, and again where that breaks off, for as long as somebody reads. */
class News<T> implements UnderlyingSource<T> {
  readonly #ports: NewsPorts<T>;
  #following: ReadableStreamDefaultReader<T> | null = null;
  #failures = 0;
  #isCancelled = false;
  #wake: () => void = () => {};

  constructor(ports: NewsPorts<T>) {
    this.#ports = ports;
  }

  async pull(controller: ReadableStreamDefaultController<T>): Promise<void> {
    while (!this.#isCancelled) {
      if (this.#following) {
        const { done, value } = await this.#following.read();
        if (this.#isCancelled) return;
        if (!done) {
          this.#failures = 0;
          return controller.enqueue(value);
        }
        this.#following = null;
        await this.#pause();
        continue;
      }
      const opened = await this.#open();
      if (this.#isCancelled) return;
      if (opened === "gone") return controller.close();
      if (opened === "begun") return controller.enqueue(this.#ports.begun);
      await this.#pause();
    }
  }

  async cancel(reason?: unknown): Promise<void> {
    this.#isCancelled = true;
    this.#wake();
    await this.#following?.cancel(reason);
  }

  async #open(): Promise<"begun" | "gone" | "failed"> {
    try {
      const { open, hear } = this.#ports;
      const opened = await open();
      if (!opened.socket) return opened.status === 404 ? "gone" : "failed";
      const reader = followMessages(opened.socket, { hear, mostUnread: mostUnreadNews }).getReader();
      if (this.#isCancelled) await reader.cancel();
      this.#following = reader;
      this.#ports.failures.succeeded("follow");
      return "begun";
    } catch (error) {
      this.#ports.failures.failed("follow", error);
      return "failed";
    }
  }

  /** Waits until it is time to follow again, or nobody reads any more. */
  #pause(): Promise<void> {
    this.#failures += 1;
    const delayMs = Math.min(
      backoffDelayMs(refollowBackoff, this.#failures, Math.random()),
      refollowLongestMs,
    );
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
