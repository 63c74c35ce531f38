import type { LogFrame } from "./log-frames.ts";

/**
 * Overlap that is requested when reading resumes. Timestamps rise within one stream, but not across the two: a line
 * that is written slowly has the time at which it began.
 */
const overlapMs = 10_000;

interface StreamPlace {
  /** Of the last frame that was read. */
  time: string;
  /** How many of that very time were read: the pieces of a long line share it. */
  readOfTime: number;
  /** While frames may be repeated: how many of that time are still expected again. */
  again: number | null;
}

/** The position in a log, to resume reading there without loss or repetition. */
export class LogPlace {
  readonly #places = new Map<LogFrame["stream"], StreamPlace>();

  /** Call it before reading again. @returns from when on, as the engine takes it: undefined for from the beginning */
  resume(): string | undefined {
    const times: string[] = [];
    for (const place of this.#places.values()) {
      place.again = place.readOfTime;
      times.push(place.time);
    }
    const [earliest] = times.toSorted();
    return earliest && String(Math.max(0, Date.parse(earliest) - overlapMs) / 1000);
  }

  /** Takes a frame. @returns whether it was not read before */
  advance({ stream, time }: LogFrame): boolean {
    const place = this.#places.get(stream) ?? { time: "", readOfTime: 0, again: null };
    this.#places.set(stream, place);
    if (place.again !== null) {
      if (time < place.time) return false;
      if (time === place.time && place.again > 0) {
        place.again--;
        return false;
      }
      place.again = null;
    }
    place.readOfTime = time === place.time ? place.readOfTime + 1 : 1;
    place.time = time;
    return true;
  }
}
