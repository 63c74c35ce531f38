import type { ReportedBackend } from "../../../domain/backends/lease.ts";
import type { BackendStatus } from "../../../domain/backends/status.ts";
import { serviceCodeLength } from "../../../domain/ids.ts";
import { idleTimeJitterMs, listedBackendsMax } from "../../../domain/limits.ts";
import type { HeartbeatBody, ListedBackend } from "../../../protocol/v3/agent.ts";
import { ListDigest, useOf } from "../../../protocol/v3/list-digest.ts";
import type { ListUpdate } from "../../contract.ts";

/** A backend as it is kept: with the moment from which on it is idle, which does not change as time passes. */
interface Kept {
  id: string;
  status: BackendStatus;
  fencing_token: number;
  use: ReturnType<typeof useOf>;
  /** Milliseconds since the epoch; 0 where it is not idle. */
  idleFrom: number;
  /** The last whole list that had it, by its number. */
  inWholeList: number;
}

interface Changes {
  put: Kept[];
  gone: string[];
}

/** What an agent lists of one service, and what of it the service is known to have. */
class ServiceList {
  readonly backends = new Map<string, Kept>();
  readonly digest = new ListDigest();
  /** What the service has not been sent; null where it is to be sent everything. */
  #unsent: { put: Set<string>; gone: Set<string> } | null = null;
  /** Whether it was ever sent anything of it. */
  isSent = false;

  change(kept: Kept): void {
    const before = this.backends.get(kept.id);
    if (before) this.digest.remove(kept.id, listed(before, 0));
    this.digest.add(kept.id, listed(kept, 0));
    this.backends.set(kept.id, kept);
    this.#unsent?.put.add(kept.id);
    this.#unsent?.gone.delete(kept.id);
  }

  drop(id: string): void {
    const before = this.backends.get(id);
    if (!before) return;
    this.digest.remove(id, listed(before, 0));
    this.backends.delete(id);
    this.#unsent?.gone.add(id);
    this.#unsent?.put.delete(id);
  }

  get hasUnsent(): boolean {
    return this.#unsent === null || this.#unsent.put.size > 0 || this.#unsent.gone.size > 0;
  }

  /** What the service is to be sent; until `taken` says that it has it, that is everything the next time. */
  take(now: number): Omit<ListUpdate, "agent" | "silentMs"> {
    const unsent = this.#unsent;
    this.#unsent = null;
    this.isSent = true;
    if (unsent === null) return { isWhole: true, backends: this.all(now), gone: [] };
    const backends = [...unsent.put].flatMap((id) => {
      const kept = this.backends.get(id);
      return kept ? [listed(kept, now)] : [];
    });
    return { isWhole: false, backends, gone: [...unsent.gone] };
  }

  all(now: number): ReportedBackend[] {
    return Array.from(this.backends.values(), (kept) => listed(kept, now));
  }

  /** The service has what has this digest. */
  taken(digest: string): void {
    if (digest === this.digest.text) this.#unsent = { put: new Set(), gone: new Set() };
  }
}

/** What a heartbeat makes of a list. Nothing is changed before `AgentList.enter`. */
export interface EnteredList {
  byService: ReadonlyMap<string, Changes>;
  size: number;
  /** That of the whole list. */
  digest: string;
}

/** What an agent lists, by the code of the service that each backend belongs to. */
export class AgentList {
  readonly #services = new Map<string, ServiceList>();
  /** How many whole lists it was compared with. */
  #wholeLists = 0;

  get size(): number {
    let size = 0;
    for (const { backends } of this.#services.values()) size += backends.size;
    return size;
  }

  /** Whether it has a backend. */
  has(id: string): boolean {
    return this.#services.get(codeOf(id))?.backends.has(id) ?? false;
  }

  /** The services of what it lists, and those that have yet to receive that it lists nothing more of them. */
  codes(): string[] {
    return [...this.#services.keys()];
  }

  of(code: string, now: number): ReportedBackend[] {
    return this.#services.get(code)?.all(now) ?? [];
  }

  /** The digest of what it lists of a service. */
  digestOf(code: string): string {
    return (this.#services.get(code)?.digest ?? new ListDigest()).text;
  }

  /** What a service has yet to receive; null where it has everything. */
  unsent(code: string, now: number): Omit<ListUpdate, "agent" | "silentMs"> | null {
    const list = this.#services.get(code);
    return list?.hasUnsent ? list.take(now) : null;
  }

  /** Everything that it lists of a service, which does not have it. */
  whole(code: string, now: number): Omit<ListUpdate, "agent" | "silentMs"> {
    return { isWhole: true, backends: this.of(code, now), gone: [] };
  }

  /** A service has what has this digest. */
  taken(code: string, digest: string): void {
    const list = this.#services.get(code);
    list?.taken(digest);
    this.#forgetEmpty(code);
  }

  /** No service has this code: nobody has to receive that nothing of it is listed any more. */
  isNobodys(code: string): void {
    if (this.#services.get(code)?.backends.size === 0) this.#services.delete(code);
  }

  /** What a heartbeat makes of it; null where that is not the list that its digest says, or too long. */
  entered(
    body: Pick<HeartbeatBody, "backends" | "changes" | "list_digest">,
    now: number,
  ): EnteredList | null {
    const { put, gone } = body.changes
      ? this.#changed(body.changes, now)
      : this.#replaced(body.backends ?? [], now);
    const byService = new Map<string, Changes>();
    const of = (id: string): Changes => {
      const code = codeOf(id);
      const known = byService.get(code) ?? { put: [], gone: [] };
      byService.set(code, known);
      return known;
    };
    const digest = new ListDigest();
    for (const service of this.#services.values()) digest.addAll(service.digest);
    let size = this.size;
    for (const id of gone) {
      const before = this.#kept(id);
      if (!before) continue;
      digest.remove(id, listed(before, 0));
      of(id).gone.push(id);
      size--;
    }
    for (const kept of put.values()) {
      const before = this.#kept(kept.id);
      if (before) digest.remove(kept.id, listed(before, 0));
      else size++;
      digest.add(kept.id, listed(kept, 0));
      of(kept.id).put.push(kept);
    }
    if (body.changes && (digest.text !== body.list_digest || size > listedBackendsMax)) return null;
    return { byService, size, digest: digest.text };
  }

  enter({ byService }: EnteredList): void {
    for (const [code, { put, gone }] of byService) {
      const list = this.#services.get(code) ?? new ServiceList();
      this.#services.set(code, list);
      for (const id of gone) list.drop(id);
      for (const kept of put) list.change(kept);
      this.#forgetEmpty(code);
    }
  }

  /** Of what does not exist nothing is kept, once nobody has to receive that it is gone. */
  #forgetEmpty(code: string): void {
    const list = this.#services.get(code);
    if (list?.backends.size === 0 && (!list.isSent || !list.hasUnsent)) this.#services.delete(code);
  }

  #kept(id: string): Kept | undefined {
    return this.#services.get(codeOf(id))?.backends.get(id);
  }

  #changed({ backends, gone }: NonNullable<HeartbeatBody["changes"]>, now: number) {
    const put = new Map(backends.map((each) => [each.id, keptOf(each, now)]));
    return { put, gone: new Set(gone.filter((id) => !put.has(id))) };
  }

  /** A whole list, as changes of the one before: mostly there are few, so that nothing is made for what is as it was. */
  #replaced(backends: readonly ListedBackend[], now: number) {
    const put = new Map<string, Kept>();
    const gone = new Set<string>();
    this.#wholeLists += 1;
    const number = this.#wholeLists;
    let known = 0;
    for (const each of backends) {
      const before = this.#kept(each.id);
      if (before && before.inWholeList !== number) {
        before.inWholeList = number;
        known += 1;
      }
      if (before === undefined || !isAsListed(before, each, now)) put.set(each.id, keptOf(each, now));
      else if (put.size > 0) put.delete(each.id);
    }
    if (known === this.size) return { put, gone };
    for (const { backends: listedBefore } of this.#services.values()) {
      for (const { id, inWholeList } of listedBefore.values()) if (inWholeList !== number) gone.add(id);
    }
    return { put, gone };
  }
}

function codeOf(id: string): string {
  return id.slice(0, serviceCodeLength);
}

function keptOf(backend: ListedBackend, now: number): Kept {
  const { id, status, fencing_token, idle_seconds: idle } = backend;
  const idleFrom = idle ? now - idle * 1000 : 0;
  return { id, status, fencing_token, use: useOf(backend), idleFrom, inWholeList: 0 };
}

/** A backend as a list has it at `now`. */
function listed({ id, status, fencing_token, use, idleFrom }: Kept, now: number): ReportedBackend {
  if (use === "-") return { id, status, fencing_token };
  // Something that is not 0 stays so, whatever a clock does.
  const idle = use === "c" ? 0 : Math.max(0.001, (now - idleFrom) / 1000);
  return { id, status, fencing_token, idle_seconds: idle };
}

/** Whether a list has a backend as it is kept. */
function isAsListed(kept: Kept, backend: ListedBackend, now: number): boolean {
  const { status, fencing_token: token, idle_seconds: idle } = backend;
  return (
    kept.status === status &&
    kept.fencing_token === token &&
    kept.use === useOf(backend) &&
    (idle ? now - idle * 1000 : 0) - kept.idleFrom <= idleTimeJitterMs
  );
}
