import { partHolderSilentMs, partsInMemoryMax, uploadStalledMs } from "../limits.ts";

/*
 * Which uploads of an isolate may hold a part in memory. A part is granted whole: to the account that holds the fewest, so
 * that none keeps the others waiting, and among equals in the order in which they came. Who holds one either stores it, which
 * ends by itself, or fills it and waits for nothing but its client; where that sends nothing, it gives the part up to whoever
 * waits. So nobody who holds a part waits for another's, and all that send get their turn.
 */

/** One part in memory, or the wait for it. */
export interface PartHolder {
  id: number;
  account: string;
  /** When it last showed that it is there, in milliseconds since the epoch as all times here. */
  seenAt: number;
  /** Its client has stalled, and it is about to leave its part to somebody who waits. */
  givesUp: boolean;
}

/** Who holds parts, and who waits for one. */
export interface UploadRoom {
  holding: readonly PartHolder[];
  /** In the order in which they came. */
  waiting: readonly PartHolder[];
}

export const emptyRoom: UploadRoom = { holding: [], waiting: [] };

/** Lets one more in as soon as there is room: at once where nobody waits and a part is free. */
export function enterRoom(room: UploadRoom, id: number, account: string, now: number): UploadRoom {
  return settled({ ...room, waiting: [...room.waiting, { id, account, seenAt: now, givesUp: false }] }, now);
}

/** Takes out one that holds a part or waits for one. */
export function leaveRoom({ holding, waiting }: UploadRoom, id: number, now: number): UploadRoom {
  const others = (holders: readonly PartHolder[]) => holders.filter((holder) => holder.id !== id);
  return settled({ holding: others(holding), waiting: others(waiting) }, now);
}

/** Notes that one is there, and takes out those that are not any more. One that was taken out stays so. */
export function showInRoom({ holding, waiting }: UploadRoom, id: number, now: number): UploadRoom {
  const seen = (holders: readonly PartHolder[]) =>
    holders.map((holder) => (holder.id === id ? { ...holder, seenAt: now } : holder));
  return settled({ holding: seen(holding), waiting: seen(waiting) }, now);
}

/** Whether one may hold its part. */
export function holdsPart({ holding }: UploadRoom, id: number): boolean {
  return holding.some((holder) => holder.id === id);
}

/** Whether one waits for its turn. One that was taken out does neither. */
export function waitsForPart({ waiting }: UploadRoom, id: number): boolean {
  return waiting.some((holder) => holder.id === id);
}

/**
 * Has one that fills a part give it up where its client has stalled, and more wait than are about to be let in so.
 * @param since when it began to wait for its client
 */
export function giveUpIfWanted(room: UploadRoom, id: number, since: number, now: number): UploadRoom {
  const { holding, waiting } = room;
  const wanted = waiting.length - holding.filter(({ givesUp }) => givesUp).length;
  if (wanted <= 0 || now - since < uploadStalledMs) return room;
  return { ...room, holding: holding.map((one) => (one.id === id ? { ...one, givesUp: true } : one)) };
}

/** Whether one is to leave its part to others now. */
export function givesPartUp({ holding }: UploadRoom, id: number): boolean {
  return holding.some((holder) => holder.id === id && holder.givesUp);
}

function settled(room: UploadRoom, now: number): UploadRoom {
  const isThere = ({ seenAt }: PartHolder) => now - seenAt < partHolderSilentMs;
  const holding = room.holding.filter(isThere);
  let waiting = room.waiting.filter(isThere);
  while (holding.length < partsInMemoryMax) {
    const next = nextOf(holding, waiting);
    if (!next) break;
    holding.push(next);
    waiting = waiting.filter((holder) => holder !== next);
  }
  return { holding, waiting };
}

function nextOf(holding: readonly PartHolder[], waiting: readonly PartHolder[]): PartHolder | undefined {
  const heldBy = (account: string) => holding.filter((holder) => holder.account === account).length;
  const fewest = Math.min(...waiting.map(({ account }) => heldBy(account)));
  return waiting.find(({ account }) => heldBy(account) === fewest);
}
