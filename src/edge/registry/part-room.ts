import { partHolderShowsEveryMs } from "../../domain/limits.ts";
import {
  emptyRoom,
  enterRoom,
  givesPartUp,
  giveUpIfWanted,
  holdsPart,
  leaveRoom,
  showInRoom,
  type UploadRoom,
  waitsForPart,
} from "../../domain/registry/upload-room.ts";

/** The room for one part in memory, from its request to its end. */
export interface PartPlace {
  /** Resolves when the part may be held; also after `leave`, so that nobody waits for good. */
  granted: Promise<void>;
  /** What a read gives; `wanted` where its client has stalled and the part is to be given up. */
  unlessWanted<T>(reading: Promise<T>): Promise<T | Wanted>;
  leave(): void;
}

export type Wanted = "wanted";

/** Where the uploads of one account ask for room. */
export interface PartDoor {
  enter(): PartPlace;
}

/**
 * The parts that the uploads of an isolate hold in memory. What requests share of it is plain data, and promises that one
 * resolves for another; a timer of its own shows that a request is there, since one can end without running another line.
 */
export class PartRoom {
  readonly #now: () => number;
  /** Of those that wait. */
  readonly #grants = new Map<number, () => void>();
  #room: UploadRoom = emptyRoom;
  #lastId = 0;

  /** @param now the isolate's clock, in milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many parts are held, and how many are waited for. */
  get counts(): { held: number; awaited: number } {
    return { held: this.#room.holding.length, awaited: this.#room.waiting.length };
  }

  /** @param account that all of whose uploads are treated as one where others wait too */
  of(account: string): PartDoor {
    return { enter: () => this.#enter(account) };
  }

  #enter(account: string): PartPlace {
    const id = ++this.#lastId;
    const granted = Promise.withResolvers<void>();
    let isWaiting = true;
    let read: { since: number; giveUp: () => void } | null = null;
    const grant = () => {
      isWaiting = false;
      granted.resolve();
    };
    const queue = () => {
      this.#grants.set(id, grant);
      this.#change(enterRoom(this.#room, id, account, this.#now()));
    };
    const timer = setInterval(() => {
      this.#change(showInRoom(this.#room, id, this.#now()));
      // Where the clock jumps, all seem to be gone.
      if (isWaiting && !waitsForPart(this.#room, id)) queue();
      if (read) this.#change(giveUpIfWanted(this.#room, id, read.since, this.#now()));
      if (givesPartUp(this.#room, id)) read?.giveUp();
    }, partHolderShowsEveryMs);
    queue();
    return {
      granted: granted.promise,
      unlessWanted: async (reading) => {
        const wanted = Promise.withResolvers<Wanted>();
        read = { since: this.#now(), giveUp: () => wanted.resolve("wanted") };
        try {
          return await Promise.race([reading, wanted.promise]);
        } finally {
          read = null;
        }
      },
      leave: () => {
        clearInterval(timer);
        this.#change(leaveRoom(this.#room, id, this.#now()));
        grant();
      },
    };
  }

  #change(room: UploadRoom): void {
    this.#room = room;
    for (const [id, grant] of this.#grants) {
      if (waitsForPart(room, id)) continue;
      this.#grants.delete(id);
      if (holdsPart(room, id)) grant();
    }
  }
}
