import { pageChangesGatheredMs, pageRenderedEveryMs, pageRenderLostAfterMs } from "../../../domain/limits.ts";
import { inTime } from "../../../objects/failures/in-time.ts";
import { unreached } from "../../../objects/failures/unreached.ts";

/** One rendering, by the request that made it. */
interface Rendering<T> {
  /** Counts all that were begun. */
  number: number;
  /** In milliseconds since the epoch. */
  startedAt: number;
  result: Promise<T>;
  isUnderWay: boolean;
}

/** So long a rendering can be of use to whoever has waited for it; what nobody looks at any more goes then. */
const keptMs = 2 * pageRenderLostAfterMs;

/**
 * What open pages show, rendered once for all viewers in the isolate to whom the same is shown, and at most once in a while.
 * It is rendered by the request of whoever comes first; the others wait for it, and render themselves where it fails or
 * never ends, since a request can end without running another line of its code.
 */
export class SharedRenders<T> {
  readonly #renderings = new Map<string, Rendering<T>>();
  #begun = 0;

  /** Marks the moment: what has changed by now is in a rendering that begins later. No clock is as fine as that. */
  mark(): number {
    return this.#begun;
  }

  /**
   * What is shown, by a rendering that began after a moment.
   * @param key what decides what is shown, and to whom
   * @param after the moment, of `mark`
   */
  async latest(key: string, after: number, render: () => Promise<T>): Promise<T> {
    // Whoever learns of the same change a moment later is shown the same rendering.
    await pause(pageChangesGatheredMs);
    for (;;) {
      const last = this.#renderings.get(key);
      if (last && last.number > after) {
        const made = await settled(last);
        if (made) return made.value;
        if (this.#renderings.get(key) === last) return this.#render(key, render);
      } else if (last && Date.now() - last.startedAt < pageRenderedEveryMs) {
        await pause(last.startedAt + pageRenderedEveryMs - Date.now());
      } else if (last?.isUnderWay && Date.now() - last.startedAt < pageRenderLostAfterMs) {
        await settled(last);
      } else {
        return this.#render(key, render);
      }
    }
  }

  #render(key: string, render: () => Promise<T>): Promise<T> {
    this.#sweep();
    this.#begun += 1;
    const rendering: Rendering<T> = {
      number: this.#begun,
      startedAt: Date.now(),
      result: render().finally(() => {
        rendering.isUnderWay = false;
      }),
      isUnderWay: true,
    };
    this.#renderings.set(key, rendering);
    return rendering.result;
  }

  #sweep(): void {
    for (const [key, { startedAt }] of this.#renderings) {
      if (Date.now() - startedAt > keptMs) this.#renderings.delete(key);
    }
  }
}

/** What a rendering gave; null where it failed, or takes so long that it is lost. */
async function settled<T>({ startedAt, result }: Rendering<T>): Promise<{ value: T } | null> {
  const left = Math.max(0, startedAt + pageRenderLostAfterMs - Date.now());
  const made = result.then(
    (value) => ({ value }),
    () => null,
  );
  try {
    return await inTime(made, left);
  } catch (error) {
    if (!unreached(error)) throw error;
    return null;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
