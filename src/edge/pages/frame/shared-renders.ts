import { pageChangesGatheredMs, pageRenderLostAfterMs } from "../../../domain/limits.ts";
import { inTime } from "../../../objects/failures/in-time.ts";
import { unreached } from "../../../objects/failures/unreached.ts";
import { RenderTurns, type Turn } from "./render-turns.ts";

/** One rendering, by the request that made it. */
interface Rendering<T> extends Turn {
  /** Counts all that were begun. */
  number: number;
  result: Promise<T>;
}

/** What is rendered, and in whose turns. */
export interface Shown {
  /** What decides what is shown, and to whom. */
  key: string;
  /** The service, or else the account, that it is of. */
  owner: string;
}

/** So long a rendering can be of use to whoever has waited for it; what nobody looks at any more goes then. */
const keptMs = 2 * pageRenderLostAfterMs;

/**
 * What open pages show, rendered once for all viewers in the isolate to whom the same is shown. All that is of one service
 * takes turns (`RenderTurns`), so that no number of pages, viewers and changes renders it more often than one page does.
 * It is rendered by the request of whoever comes first; the others wait for it, and render themselves where it fails or
 * never ends.
 */
export class SharedRenders<T> {
  readonly #renderings = new Map<string, Rendering<T>>();
  readonly #turns = new Map<string, RenderTurns>();
  #begun = 0;
  #tickets = 0;

  /** Marks the moment: what has changed by now is in a rendering that begins later. No clock is as fine as that. */
  mark(): number {
    return this.#begun;
  }

  /**
   * What is shown, by a rendering that began after a moment.
   * @param moment of `mark`
   */
  async latest({ key, owner }: Shown, moment: number, render: () => Promise<T>): Promise<T> {
    // Whoever learns of the same change a moment later is shown the same rendering.
    await pause(pageChangesGatheredMs);
    let after = moment;
    let ticket = this.#ticket();
    for (;;) {
      const latest = this.#renderings.get(key);
      if (latest && latest.number > after) {
        const made = await settled(latest);
        if (made) return made.value;
        after = latest.number;
        ticket = this.#ticket();
        continue;
      }
      const turns = this.#turnsOf(owner);
      const waitMs = turns.wait(key, ticket, performance.now());
      if (turns.last && isUnderWay(turns.last)) await settled(turns.last);
      else if (waitMs > 0) await pause(waitMs);
      else return this.#render(key, turns, render);
    }
  }

  #ticket(): number {
    this.#tickets += 1;
    return this.#tickets;
  }

  #turnsOf(owner: string): RenderTurns {
    const turns = this.#turns.get(owner) ?? new RenderTurns();
    this.#turns.set(owner, turns);
    return turns;
  }

  #render(key: string, turns: RenderTurns, render: () => Promise<T>): Promise<T> {
    this.#begun += 1;
    const rendering: Rendering<T> = {
      number: this.#begun,
      startedAt: performance.now(),
      endedAt: null,
      result: render().finally(() => {
        rendering.endedAt = performance.now();
      }),
    };
    this.#renderings.set(key, rendering);
    turns.take(key, rendering);
    this.#sweep();
    return rendering.result;
  }

  #sweep(): void {
    const isOld = ({ startedAt }: Turn) => performance.now() - startedAt > keptMs;
    for (const [key, rendering] of this.#renderings) if (isOld(rendering)) this.#renderings.delete(key);
    for (const [owner, { last }] of this.#turns) if (last && isOld(last)) this.#turns.delete(owner);
  }
}

/** Whether it may still end: the request of one that takes too long may have ended without it. */
function isUnderWay({ startedAt, endedAt }: Turn): boolean {
  return endedAt === null && performance.now() < startedAt + pageRenderLostAfterMs;
}

/** What a rendering gave; null where it failed, or takes so long that it is lost. */
async function settled<T>({
  startedAt,
  result,
}: {
  startedAt: number;
  result: Promise<T>;
}): Promise<{ value: T } | null> {
  const left = Math.max(0, startedAt + pageRenderLostAfterMs - performance.now());
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
