import { nudgeEveryMs } from "../../../domain/limits.ts";
import type { ServiceNudge, ServicePart } from "../../../protocol/service-nudge.ts";
import type { Followers } from "../../followers.ts";

export const nudgesFollowed = "news";

/**
 * Notifies followers of which parts of a service have changed: of the first change at once, of those in quick succession
 * together. Nothing of it is written, and while nobody follows nothing is done.
 */
export class Nudges {
  readonly #followers: Pick<Followers, "isFollowed" | "send">;
  readonly #everyMs: number;
  readonly #pending = new Set<ServicePart>();
  #isScheduled = false;
  /** Set while the next nudge has to wait. It keeps the object awake, so that what is pending is not lost. */
  #pause: ReturnType<typeof setTimeout> | null = null;

  constructor(followers: Pick<Followers, "isFollowed" | "send">, everyMs: number = nudgeEveryMs) {
    this.#followers = followers;
    this.#everyMs = everyMs;
  }

  /** Call when something visible was written, inside the transaction or after it. */
  changed(parts: readonly ServicePart[]): void {
    if (!this.#followers.isFollowed(nudgesFollowed)) return;
    for (const part of parts) this.#pending.add(part);
    if (this.#isScheduled || this.#pause !== null) return;
    this.#isScheduled = true;
    // After the transaction, so that its parts are sent together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    this.#pause = null;
    if (this.#pending.size === 0 || !this.#followers.isFollowed(nudgesFollowed)) {
      this.#pending.clear();
      return;
    }
    const nudge: ServiceNudge = { changed: [...this.#pending].sort() };
    this.#pending.clear();
    this.#followers.send(nudgesFollowed, [nudge]);
    this.#pause = setTimeout(() => this.#send(), this.#everyMs);
  }
}
