import { idleTimeJitterMs } from "../../domain/limits.ts";
import type { HeartbeatBody, ListedBackend } from "../../protocol/v3/agent.ts";
import { ListDigest, useOf } from "../../protocol/v3/list-digest.ts";

/** A listed backend, with the moment from which on it is idle, which time does not change. */
interface Entry extends ListedBackend {
  /** On the clock of heartbeats, in milliseconds. */
  idleFrom: number;
}

/** A list as a heartbeat has it. */
export interface SentList {
  entries: ReadonlyMap<string, Entry>;
  digest: string;
  /** Whether only what has changed was sent. */
  isChanges: boolean;
  /** Which one it was. */
  number: number;
}

/**
 * Says in each heartbeat what the agent runs: the whole list, or what has changed since one that the control plane has
 * acknowledged to have. It does so only where the answer had the digest of that.
 */
export class ListSender {
  /** The list that the control plane has; null where that is not known. */
  #acknowledged: SentList | null = null;
  #sent = 0;

  /** What the next heartbeat says of the list. @param now milliseconds on the clock of heartbeats */
  next(
    backends: readonly ListedBackend[],
    now: number,
  ): { body: Pick<HeartbeatBody, "backends" | "changes" | "list_digest">; sent: SentList } {
    const entries = new Map(backends.map((each) => [each.id, entryOf(each, now)]));
    const digest = new ListDigest();
    for (const entry of entries.values()) digest.add(entry.id, entry);
    const changes = this.#acknowledged && changesOf(this.#acknowledged.entries, entries);
    // From half of the list on there is nothing to gain.
    const isChanges = changes !== null && 2 * (changes.put.length + changes.gone.length) <= entries.size + 1;
    const sent = { entries, digest: digest.text, isChanges, number: ++this.#sent };
    const said = isChanges
      ? { changes: { backends: changes.put.map(listed), gone: changes.gone } }
      : { backends: Array.from(entries.values(), listed) };
    return { body: { ...said, list_digest: sent.digest }, sent };
  }

  /** A heartbeat was answered. @param digest as the answer has it */
  answered(sent: SentList, digest: string | undefined): void {
    if (sent.number < (this.#acknowledged?.number ?? 0)) return;
    this.#acknowledged = digest === sent.digest ? keptOf(sent, this.#acknowledged) : null;
  }

  /** A heartbeat was refused. @returns whether the whole list is to be sent in its place */
  refused({ isChanges }: SentList): boolean {
    if (isChanges) this.#acknowledged = null;
    return isChanges;
  }
}

/** What the control plane has after a heartbeat: of what was not sent it has the idle time that it had. */
function keptOf(sent: SentList, before: SentList | null): SentList {
  if (!sent.isChanges || before === null) return sent;
  const entries = new Map(sent.entries);
  for (const [id, entry] of sent.entries) {
    const kept = before.entries.get(id);
    if (kept && isSame(kept, entry)) entries.set(id, kept);
  }
  return { ...sent, entries };
}

function changesOf(before: ReadonlyMap<string, Entry>, after: ReadonlyMap<string, Entry>) {
  const put = [...after.values()].filter((entry) => {
    const known = before.get(entry.id);
    return known === undefined || !isSame(known, entry);
  });
  return { put, gone: [...before.keys()].filter((id) => !after.has(id)) };
}

function isSame(a: Entry, b: Entry): boolean {
  return (
    a.status === b.status &&
    a.fencing_token === b.fencing_token &&
    useOf(a) === useOf(b) &&
    b.idleFrom - a.idleFrom <= idleTimeJitterMs
  );
}

function entryOf(backend: ListedBackend, now: number): Entry {
  const { idle_seconds: idle } = backend;
  return { ...backend, idleFrom: idle ? now - idle * 1000 : 0 };
}

function listed({ idleFrom: _, ...backend }: Entry): ListedBackend {
  return backend;
}
