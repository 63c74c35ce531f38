import type { DiskMarks } from "../../domain/disk/disk-space.ts";
import { usedPercent } from "../../domain/disk/disk-space.ts";
import { imagesToRemove, isCollectionDue } from "../../domain/disk/image-collection.ts";
import type { ImagePinnedWebhookData } from "../../protocol/webhooks/webhook.ts";
import { type Log, messageOf } from "../log.ts";
import type { Runtime, RuntimeImage } from "../runtimes/runtime.ts";
import type { Disk } from "./disk.ts";
import type { ImageRecords } from "./image-records.ts";
import { ImageUses } from "./image-uses.ts";

export interface ImageCollectorOptions {
  runtime: Runtime;
  records: ImageRecords;
  disk: Disk;
  marks: DiskMarks;
  everyMs: number;
  /** The images of the backends that have not ended. */
  inUse: () => Iterable<RuntimeImage>;
  /** Whether a backend has not ended, or its output is still being read. */
  isKnown: (backendId: string) => boolean;
  log: Log;
}

/**
 * Keeps a machine's disk from filling: removes images that the agent has pulled itself and that nothing uses, and what
 * ended backends have left. It judges at its start, after pulls and periodically, once at a time; a failure is logged, and
 * ends nothing that runs.
 */
export class ImageCollector {
  /** The same runtime, for all who pull and start: neither meets a removal of its image. */
  readonly runtime: Runtime;
  readonly #options: ImageCollectorOptions;
  readonly #uses = new ImageUses();
  readonly #never = new AbortController().signal;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isRequested = false;
  #isClosed = false;
  #found: "room" | "nothing to remove" = "room";

  constructor(options: ImageCollectorOptions) {
    this.#options = options;
    const { runtime } = options;
    this.runtime = {
      ...runtime,
      pull: (image, signal) => this.#use(image, signal, () => this.#pull(image, signal)),
      start: (spec) => this.#use(spec.image, this.#never, () => runtime.start(spec)),
    };
  }

  /** Begins to collect. */
  start(): void {
    const { everyMs } = this.#options;
    this.#running = this.#sweep();
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#sweep());
    }, everyMs);
  }

  /** Resolves when nothing is being removed any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#running;
    this.#options.records.save();
  }

  /** An environment is to run this image next: it is not removed until another one is announced for it. */
  announce(pinned: ImagePinnedWebhookData): void {
    const { records, runtime } = this.#options;
    records.announce(pinned, runtime.images.nameOf(pinned.image), Date.now());
    // Which writes it down, once for many.
    this.request();
  }

  /** Has images collected soon, where that is due. */
  request(): void {
    if (this.#isRequested || this.#isClosed) return;
    this.#isRequested = true;
    this.#running = this.#running.then(() => {
      this.#isRequested = false;
      return this.#collect();
    });
  }

  #use<T>(image: RuntimeImage, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.#uses.use(this.#options.runtime.images.nameOf(image), signal, work);
  }

  async #pull(image: RuntimeImage, signal: AbortSignal) {
    const { runtime, records } = this.#options;
    const name = runtime.images.nameOf(image);
    let isClaimed = false;
    const claim = () => {
      isClaimed = true;
      records.claim(name, Date.now());
    };
    let isPulled = false;
    try {
      const pulled = await runtime.pull(image, signal, claim);
      isPulled = pulled.ok;
      return pulled;
    } finally {
      if (isPulled) records.use([name], Date.now());
      else if (isClaimed) await this.#forgetIfGone(name);
      if (isClaimed) this.request();
    }
  }

  /** What could not be pulled is not remembered, unless a part of it is there or somebody else is pulling it. */
  async #forgetIfGone(name: string): Promise<void> {
    const { runtime, records, log } = this.#options;
    try {
      const present = await runtime.images.list([name]);
      if (present.length === 0 && this.#uses.count(name) === 1) records.forget(name);
    } catch (error) {
      log("images.not_listed", { error: messageOf(error) });
    }
  }

  /** Removes what is of no use, however full the disk is, and then images where that is due. */
  async #sweep(): Promise<void> {
    const { runtime, records, isKnown, log } = this.#options;
    if (this.#isClosed) return;
    try {
      await runtime.clear({ isKnown });
    } catch (error) {
      log("leftovers.not_removed", { error: messageOf(error) });
    }
    const now = Date.now();
    records.use(this.#namesInUse(), now);
    records.forgetUnused(now);
    await this.#collect();
  }

  async #collect(): Promise<void> {
    const { disk, marks, records, log } = this.#options;
    try {
      const space = await disk.measure();
      if (space && isCollectionDue(space, marks)) await this.#removeImages();
      else this.#found = "room";
    } catch (error) {
      log("images.not_collected", { error: messageOf(error) });
    }
    records.save();
  }

  async #removeImages(): Promise<void> {
    const { runtime, records, disk, marks, log } = this.#options;
    await runtime.images.clear(() => this.#kept());
    const tried = new Set<string>();
    let removed = 0;
    while (!this.#isClosed) {
      const space = await disk.measure();
      if (!space) return;
      const present = await this.#present();
      const isInUse = (name: string) => tried.has(name) || this.#isInUse(name);
      const names = imagesToRemove({ disk: space, marks, present, pulled: records.pulled, isInUse });
      if (names.length === 0) {
        const used = Math.round(usedPercent(space));
        const found = isCollectionDue(space, marks) ? "nothing to remove" : "room";
        if (removed > 0 || found !== this.#found) log("images.collected", { removed, used_percent: used });
        this.#found = found;
        return;
      }
      for (const name of names) {
        if (this.#isClosed) return;
        tried.add(name);
        if (await this.#remove(name)) removed++;
      }
    }
  }

  async #present() {
    const { runtime, records } = this.#options;
    const names = Array.from(records.pulled.keys());
    const present = await runtime.images.list(names);
    const isHere = new Set(present.map(({ name }) => name));
    for (const name of names) if (!isHere.has(name) && !this.#isInUse(name)) records.forget(name);
    return present;
  }

  async #remove(name: string): Promise<boolean> {
    const { runtime, records, log } = this.#options;
    // What has begun since it was chosen wins.
    if (this.#isInUse(name)) return false;
    const lastUsedAt = records.pulled.get(name) ?? 0;
    try {
      const isRemoved = await this.#uses.remove(name, () => runtime.images.remove(name, () => this.#kept()));
      if (!isRemoved) return false;
      if (this.#uses.count(name) === 0) records.forget(name);
      log("image.removed", { image: name, last_used_at: new Date(lastUsedAt).toISOString() });
      return true;
    } catch (error) {
      log("image.not_removed", { image: name, error: messageOf(error) });
      return false;
    }
  }

  /** Of live backends, and of whoever pulls or starts at this moment. */
  #namesInUse(): Set<string> {
    const { runtime, inUse } = this.#options;
    const live = Array.from(inUse(), (image) => runtime.images.nameOf(image));
    return new Set([...live, ...this.#uses.names()]);
  }

  #isInUse(name: string): boolean {
    return this.#namesInUse().has(name) || this.#options.records.isAnnounced(name);
  }

  /** All that may be there and is to stay whole. */
  #kept(): Set<string> {
    return new Set([...this.#options.records.pulled.keys(), ...this.#namesInUse()]);
  }
}
