import { nudgeEveryMs } from "../../../domain/limits.ts";
import type { ServiceNudge, ServicePart } from "../../../protocol/service-nudge.ts";
import type { Followers } from "../../followers.ts";

export const nudgesFollowed = "news";

/**
 * Tells followers which parts of a service have changed: the first change at once, those that come in quick succession
 * together. Nothing of it is written, and while nobody follows nothing is done.
 */
export class Nudges {
  readonly #followers: Pick<Followers, "isFollowed" | "send">;
  readonly #everyMs: number;
  readonly #untold = new Set<ServicePart>();
  #isScheduled = false;
  /** Set while the next nudge has to wait. It keeps the object awake, so that what is untold is not lost. */
  #pause: ReturnType<typeof setTimeout> | null = null;

  constructor(followers: Pick<Followers, "isFollowed" | "send">, everyMs: number = nudgeEveryMs) {
    this.#followers = followers;
    this.#everyMs = everyMs;
  }

  /** To be called when something visible was written, inside the transaction or after it. */
  changed(parts: readonly ServicePart[]): void {
    if (!this.#followers.isFollowed(nudgesFollowed)) return;
    for (const part of parts) this.#untold.add(part);
    if (this.#isScheduled || this.#pause !== null) return;
    this.#isScheduled = true;
    // After the transaction, so that its parts are told together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#tell();
    });
  }

  #tell(): void {
    this.#pause = null;
    if (this.#untold.size === 0 || !this.#followers.isFollowed(nudgesFollowed)) {
      this.#untold.clear();
      return;
    }
    const nudge: ServiceNudge = { changed: [...this.#untold].sort() };
    this.#untold.clear();
    this.#followers.send(nudgesFollowed, [nudge]);
    this.#pause = setTimeout(() => this.#tell(), this.#everyMs);
  }
}
