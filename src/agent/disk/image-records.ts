import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { announcedImageKeptMs } from "../../domain/limits.ts";
import type { ImagePinnedWebhookData } from "../../protocol/webhooks/webhook.ts";
import { hasCode, type Log, messageOf } from "../log.ts";

const announcement = z.object({
  service: z.string(),
  environment: z.string(),
  revision: z.int(),
  name: z.string(),
  at: z.number(),
});

const fileContent = z.object({
  pulled: z.array(z.object({ name: z.string(), last_used_at: z.number() })),
  announced: z.array(announcement),
});

type Announcement = z.infer<typeof announcement>;

const fileName = "images.json";

/**
 * What an agent remembers of images beyond its own end: which it has pulled itself, when each was last used, and which
 * were announced for an environment. Times are milliseconds since the epoch. A disk that fails costs what was written since
 * the last success, at worst: then images stay that could go.
 */
export class ImageRecords {
  readonly #path: string;
  readonly #log: Log;
  readonly #pulled = new Map<string, number>();
  #announced: Announcement[] = [];
  #isSaved = true;

  /** Reads what an earlier agent has written into the folder. */
  constructor(stateDir: string, log: Log) {
    this.#path = join(stateDir, fileName);
    this.#log = log;
    try {
      const { pulled, announced } = fileContent.parse(JSON.parse(readFileSync(this.#path, "utf8")));
      for (const { name, last_used_at } of pulled) this.#pulled.set(name, last_used_at);
      this.#announced = announced;
    } catch (error) {
      if (!hasCode(error, "ENOENT")) log("images.records_lost", { error: messageOf(error) });
    }
  }

  /** When each image that this agent has pulled was last used. */
  get pulled(): ReadonlyMap<string, number> {
    return this.#pulled;
  }

  /** Takes an image for this agent's own, before it is pulled: a crash must not leave one that nobody removes. */
  claim(name: string, now: number): void {
    if (this.#pulled.has(name)) return;
    this.#pulled.set(name, now);
    this.#isSaved = false;
    this.save();
  }

  /** Notes that images are in use, which is written with the next `save`. Those of others are passed over. */
  use(names: Iterable<string>, now: number): void {
    for (const name of names) {
      if (!this.#pulled.has(name)) continue;
      this.#pulled.set(name, now);
      this.#isSaved = false;
    }
  }

  /** An image is gone. */
  forget(name: string): void {
    if (this.#pulled.delete(name)) this.#isSaved = false;
  }

  /**
   * Notes what an environment is to run next, in the place of what was announced for it before. Announcements may overtake
   * each other, and revisions begin anew where an environment does: an earlier one stays until a later one comes.
   */
  announce({ service, environment, revision }: ImagePinnedWebhookData, name: string, now: number): void {
    const isReplaced = (one: Announcement) =>
      one.service === service && one.environment === environment && one.revision <= revision;
    this.#announced = this.#announced.filter((one) => !isReplaced(one));
    this.#announced.push({ service, environment, revision, name, at: now });
    this.#isSaved = false;
  }

  /** Whether an environment is to run an image next, as far as is known. */
  isAnnounced(name: string): boolean {
    return this.#announced.some((one) => one.name === name);
  }

  /** Forgets the announcements of images that nothing has used for long: their environments may be gone. */
  forgetUnused(now: number): void {
    const isKept = ({ name, at }: Announcement) =>
      now - Math.max(at, this.#pulled.get(name) ?? 0) < announcedImageKeptMs;
    const kept = this.#announced.filter(isKept);
    if (kept.length === this.#announced.length) return;
    this.#announced = kept;
    this.#isSaved = false;
  }

  /** Writes down what is new. A failure is logged, and made up for by the next call. */
  save(): void {
    if (this.#isSaved) return;
    const content: z.infer<typeof fileContent> = {
      pulled: Array.from(this.#pulled, ([name, last_used_at]) => ({ name, last_used_at })),
      announced: this.#announced,
    };
    const unfinished = `${this.#path}.unfinished`;
    try {
      writeFileSync(unfinished, JSON.stringify(content), { mode: 0o600, flush: true });
      renameSync(unfinished, this.#path);
      this.#isSaved = true;
    } catch (error) {
      this.#log("images.not_recorded", { error: messageOf(error) });
    }
  }
}
