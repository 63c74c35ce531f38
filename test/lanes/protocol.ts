/*
 * The protocol of lanes (README.md) as two state machines: the service's own object, which orders pins and the layout,
 * and a lane, which decides spawns. Each handler is one transaction: what it writes to `kept` is durable before what it
 * sends leaves, and a crash takes the rest.
 */

/** Of the simulation; in a service there would be 32, one for each shard of its backends. */
export const slots = 8;
export const lanesMax = 4;
const leaseMs = 1000;
const tokenBlock = 20;
/** How far a clock may run fast or slow. Real ones do by a thousandth of it; here it is large, so that it shows. */
export const clockDrift = 0.05;

/** Each is a rule of the protocol that a test can leave out. */
export const rules = [
  "a pin is acknowledged when every lane holds it",
  "a lane takes no older revision",
  "a lane decides under a lease only",
  "a lease counts from its request",
  "a lease comes with the revision",
  "a lease is of the life that requested it",
  "a lane is counted out for longer than its clock may be slow",
  "after a crash every lane counts as having a lease",
  "a lane takes requests of its own layout only",
  "a layout begins when every lane has closed the one before",
  "a layout begins with what lived in the one before",
  "a block of tokens ends with its layout",
  "a block of tokens ends with a crash",
  "a block of tokens is kept before it is given out",
] as const;
export type Rule = (typeof rules)[number];

export interface Layout {
  epoch: number;
  lanes: number;
}

export function laneOf(slot: number, { lanes }: Pick<Layout, "lanes">): number {
  return slot % lanes;
}

/** Who holds each key. */
export type Holders = Record<string, { slot: number; token: number }>;

export type ToLane =
  | { kind: "hold"; revision: number }
  | { kind: "lease"; requestedAt: number; revision: number }
  | { kind: "block"; epoch: number; from: number }
  | { kind: "close"; epoch: number }
  | { kind: "open"; layout: Layout; holders: Holders };
export type ToService = { lane: number } & (
  | { kind: "held"; revision: number }
  | { kind: "leasePlease"; at: number }
  | { kind: "blockPlease"; epoch: number }
  | { kind: "closed"; epoch: number; holders: Holders }
  | { kind: "opened"; epoch: number }
);

export interface ServicePorts {
  /** Its own clock, in milliseconds. */
  now(): number;
  send(lane: number, message: ToLane): void;
  acknowledged(revision: number): void;
  without(rule: Rule): boolean;
}

const lanes = Array.from({ length: lanesMax }, (_, lane) => lane);

/** The service's own object: pins, the layout, leases and blocks of tokens. */
export class ServiceObject {
  readonly kept = {
    revision: 1,
    layout: { epoch: 1, lanes: 2 },
    /** The layout that comes next, and what the lanes have handed over for it. */
    next: null as Layout | null,
    handedOver: new Map<number, Holders>(),
    holders: {} as Holders,
    ceiling: 0,
  };
  readonly #ports: ServicePorts;
  /** The revision that each lane is known to hold. */
  #held = new Map<number, number>();
  /** Until when a lane may decide without being reached, by this object's clock. */
  #leases = new Map<number, number>();
  #opened = new Set<number>();
  #waiting: number[] = [];
  #ceiling = 0;

  constructor(ports: ServicePorts) {
    this.#ports = ports;
  }

  pin(): void {
    this.kept.revision += 1;
    this.#waiting.push(this.kept.revision);
    for (const lane of lanes) this.#ports.send(lane, { kind: "hold", revision: this.kept.revision });
    this.#acknowledge();
  }

  /** Begins a layout of so many lanes, unless one is beginning. */
  resize(count: number): void {
    const { kept } = this;
    if (kept.next || this.#opened.size < lanesMax) return;
    kept.next = { epoch: kept.layout.epoch + 1, lanes: count };
    kept.handedOver = new Map();
    this.tick();
  }

  receive(message: ToService): void {
    const { kept } = this;
    const { lane } = message;
    switch (message.kind) {
      case "held":
        this.#held.set(lane, Math.max(this.#held.get(lane) ?? 0, message.revision));
        break;
      case "leasePlease": {
        const margin = this.#ports.without("a lane is counted out for longer than its clock may be slow")
          ? 0
          : (2 * clockDrift) / (1 - clockDrift);
        this.#leases.set(lane, this.#ports.now() + leaseMs * (1 + margin));
        const revision = this.#ports.without("a lease comes with the revision") ? 0 : kept.revision;
        this.#ports.send(lane, { kind: "lease", requestedAt: message.at, revision });
        break;
      }
      case "blockPlease": {
        if (message.epoch !== kept.layout.epoch || kept.next) break;
        const isKept = !this.#ports.without("a block of tokens is kept before it is given out");
        this.#ceiling = Math.max(this.#ceiling, kept.ceiling);
        const from = this.#ceiling + 1;
        this.#ceiling += tokenBlock;
        if (isKept) kept.ceiling = this.#ceiling;
        this.#ports.send(lane, { kind: "block", epoch: message.epoch, from });
        break;
      }
      case "closed":
        if (kept.next && message.epoch === kept.layout.epoch) this.#closed(lane, message.holders);
        break;
      case "opened":
        if (message.epoch === kept.layout.epoch) this.#opened.add(lane);
        break;
    }
    this.#acknowledge();
  }

  #closed(lane: number, holders: Holders): void {
    const { kept } = this;
    if (!kept.next) return;
    kept.handedOver.set(lane, holders);
    const isOver = this.#ports.without("a layout begins when every lane has closed the one before")
      ? kept.handedOver.size >= kept.layout.lanes - 1
      : kept.handedOver.size === lanesMax;
    if (!isOver) return;
    kept.layout = kept.next;
    kept.next = null;
    kept.holders = this.#ports.without("a layout begins with what lived in the one before")
      ? {}
      : Object.assign({}, ...kept.handedOver.values());
    this.#opened = new Set();
    this.tick();
  }

  /** Sends again what was not answered. */
  tick(): void {
    const { layout, next, handedOver, holders, revision } = this.kept;
    for (const lane of lanes) {
      if ((this.#held.get(lane) ?? 0) < revision) this.#ports.send(lane, { kind: "hold", revision });
      if (next && !handedOver.has(lane)) this.#ports.send(lane, { kind: "close", epoch: layout.epoch });
      if (next || this.#opened.has(lane)) continue;
      const own = Object.entries(holders).filter(([, { slot }]) => laneOf(slot, layout) === lane);
      this.#ports.send(lane, { kind: "open", layout, holders: Object.fromEntries(own) });
    }
    this.#acknowledge();
  }

  crash(): void {
    const until = this.#ports.without("after a crash every lane counts as having a lease")
      ? 0
      : this.#ports.now() + leaseMs * (1 + (2 * clockDrift) / (1 - clockDrift));
    this.#held = new Map();
    this.#leases = new Map(lanes.map((lane) => [lane, until]));
    this.#opened = new Set();
    this.#waiting = [];
    this.#ceiling = 0;
  }

  #acknowledge(): void {
    const now = this.#ports.now();
    const isPast = (lane: number, revision: number) =>
      (this.#held.get(lane) ?? 0) >= revision || (this.#leases.get(lane) ?? 0) < now;
    const isEnough = (revision: number) =>
      this.#ports.without("a pin is acknowledged when every lane holds it")
        ? lanes.some((lane) => isPast(lane, revision))
        : lanes.every((lane) => isPast(lane, revision));
    for (const revision of this.#waiting.filter(isEnough)) this.#ports.acknowledged(revision);
    this.#waiting = this.#waiting.filter((revision) => !isEnough(revision));
  }
}

export interface LanePorts {
  /** Its own clock, in milliseconds. */
  now(): number;
  send(message: ToService): void;
  without(rule: Rule): boolean;
}

export type Answer =
  | { step: "spawned"; token: number; revision: number }
  | { step: "reused"; token: number }
  | { step: "later" }
  | { step: "moved" };

/** One of a service's lanes: the keys of its slots, and spawns without one. */
export class Lane {
  readonly kept = {
    layout: { epoch: 0, lanes: 0 },
    isOpen: false,
    holders: {} as Holders,
    blockFrom: 0,
  };
  readonly #lane: number;
  readonly #ports: LanePorts;
  /** Nothing of it is kept: no lane decides after a crash before a lease has brought it the revision. */
  #revision = 0;
  #leaseUntil = 0;
  #bornAt = Number.NEGATIVE_INFINITY;
  #nextToken = 0;
  #blockEnd = 0;

  constructor(lane: number, ports: LanePorts) {
    this.#lane = lane;
    this.#ports = ports;
  }

  connect(key: string | null, slot: number, layout: Layout): Answer {
    const { kept } = this;
    const isOwn =
      kept.isOpen && layout.epoch === kept.layout.epoch && laneOf(slot, kept.layout) === this.#lane;
    if (!isOwn && !this.#ports.without("a lane takes requests of its own layout only"))
      return { step: "moved" };
    const holder = key === null ? undefined : kept.holders[key];
    if (holder) return { step: "reused", token: holder.token };
    const isLeased = this.#ports.now() < this.#leaseUntil;
    if (!isLeased && !this.#ports.without("a lane decides under a lease only")) return { step: "later" };
    if (this.#nextToken >= this.#blockEnd) {
      this.#ports.send({ kind: "blockPlease", lane: this.#lane, epoch: kept.layout.epoch });
      return { step: "later" };
    }
    const token = this.#nextToken;
    this.#nextToken += 1;
    if (key !== null) kept.holders[key] = { slot, token };
    return { step: "spawned", token, revision: this.#revision };
  }

  /** @returns whether the end was noted, or is none of this lane's any more */
  ended(key: string, token: number): boolean {
    const { kept } = this;
    if (!kept.isOpen) return false;
    if (kept.holders[key]?.token !== token) return false;
    delete kept.holders[key];
    return true;
  }

  receive(message: ToLane): void {
    const { kept } = this;
    const lane = this.#lane;
    switch (message.kind) {
      case "hold":
        this.#take(message.revision);
        this.#ports.send({ kind: "held", lane, revision: this.#revision });
        break;
      case "lease": {
        const isOfThisLife = message.requestedAt >= this.#bornAt;
        if (!isOfThisLife && !this.#ports.without("a lease is of the life that requested it")) break;
        this.#take(message.revision);
        const from = this.#ports.without("a lease counts from its request")
          ? this.#ports.now()
          : message.requestedAt;
        this.#leaseUntil = Math.max(this.#leaseUntil, from + leaseMs);
        break;
      }
      case "block":
        if (message.epoch !== kept.layout.epoch || message.from <= kept.blockFrom) break;
        kept.blockFrom = message.from;
        this.#nextToken = message.from;
        this.#blockEnd = message.from + tokenBlock;
        break;
      case "close":
        if (message.epoch !== kept.layout.epoch) break;
        kept.isOpen = false;
        this.#ports.send({ kind: "closed", lane, epoch: message.epoch, holders: { ...kept.holders } });
        break;
      case "open":
        this.#open(message.layout, message.holders);
        break;
    }
  }

  #open(layout: Layout, holders: Holders): void {
    const { kept } = this;
    if (layout.epoch > kept.layout.epoch) {
      kept.layout = layout;
      kept.isOpen = true;
      kept.holders = { ...holders };
      if (!this.#ports.without("a block of tokens ends with its layout")) this.#nextToken = this.#blockEnd;
    }
    if (layout.epoch === kept.layout.epoch) {
      this.#ports.send({ kind: "opened", lane: this.#lane, epoch: layout.epoch });
    }
  }

  #take(revision: number): void {
    const isTaken = revision > this.#revision || this.#ports.without("a lane takes no older revision");
    if (isTaken && revision > 0) this.#revision = revision;
  }

  tick(): void {
    this.#ports.send({ kind: "leasePlease", lane: this.#lane, at: this.#ports.now() });
  }

  crash(): void {
    this.#revision = 0;
    this.#leaseUntil = 0;
    this.#bornAt = this.#ports.now();
    const from = this.kept.blockFrom;
    this.#nextToken = this.#ports.without("a block of tokens ends with a crash") ? from : 0;
    this.#blockEnd = this.#nextToken === 0 ? 0 : from + tokenBlock;
  }
}
