import {
  type Answer,
  clockDrift,
  Lane,
  type Layout,
  laneOf,
  lanesMax,
  type Rule,
  ServiceObject,
  slots,
  type ToLane,
  type ToService,
} from "./protocol.ts";

/*
 * Lanes, their service and its clients in simulated time: messages are late, lost, doubled and out of order, clocks run
 * fast and slow, links are cut, and objects crash.
 */

const runMs = 15_000;
const tickMs = 250;
const keys = ["a", "b", "c", "d", "e"];

/** What must never be: each is a promise of the protocol, seen by somebody who sees all at once. */
export type Violation =
  | "a spawn that began after a pin was acknowledged used an earlier one"
  | "two live backends had one key"
  | "a key's fencing tokens did not increase"
  | "a fencing token was given out twice";

/** What a run came to. It ends with the first violation. */
export interface Outcome {
  violation: Violation | null;
  spawns: number;
  reuses: number;
  pins: number;
  /** … of which a lane could not be reached when that was done. */
  pinsWithoutALane: number;
  layouts: number;
  crashes: number;
  /** Decisions with a token below one that another lane had given out before. */
  tokensOutOfOrder: number;
}

/** An object's clock, and whether it and its link to the service are there. */
interface Node {
  now(): number;
  isUp: boolean;
  isCut: boolean;
}

/** @param without the rules that are left out @returns what came of it, always the same for a seed */
export function simulate(seed: number, without: readonly Rule[] = []): Outcome {
  return new Simulation(seed, new Set(without)).run();
}

class Simulation {
  #now = 0;
  readonly #queue: (() => void)[][] = Array.from({ length: runMs }, () => []);
  readonly #random: () => number;
  readonly #service: ServiceObject;
  readonly #serviceNode: Node;
  readonly #lanes: { lane: Lane; node: Node }[];
  /** Layouts as the Worker's isolates have them, some of them old. */
  readonly #seen: Layout[] = Array.from({ length: 3 }, () => ({ epoch: 1, lanes: 2 }));
  readonly #live = new Map<string, number>();
  readonly #lastToken = new Map<string, number>();
  readonly #tokens = new Set<number>();
  #acknowledged = 0;
  readonly #outcome: Outcome = {
    violation: null,
    spawns: 0,
    reuses: 0,
    pins: 0,
    pinsWithoutALane: 0,
    layouts: 0,
    crashes: 0,
    tokensOutOfOrder: 0,
  };

  constructor(seed: number, without: ReadonlySet<Rule>) {
    this.#random = randomFrom(seed);
    const ports = { without: (rule: Rule) => without.has(rule) };
    this.#serviceNode = this.#newNode();
    this.#service = new ServiceObject({
      ...ports,
      now: this.#serviceNode.now,
      send: (lane, message) => this.#toLane(lane, message),
      acknowledged: (revision) => this.#pinAcknowledged(revision),
    });
    this.#lanes = Array.from({ length: lanesMax }, (_, index) => {
      const node = this.#newNode();
      const send = (message: ToService) => this.#toService(node, message);
      return { node, lane: new Lane(index, { ...ports, now: node.now, send }) };
    });
  }

  run(): Outcome {
    this.#every(25, 4, () => this.#connect());
    this.#every(1200, 300, () => {
      if (this.#serviceNode.isUp) this.#service.pin();
    });
    this.#every(2500, 500, () => {
      if (this.#serviceNode.isUp) this.#service.resize(1 + this.#below(lanesMax));
    });
    this.#every(tickMs, tickMs / 2, () => {
      if (this.#serviceNode.isUp) this.#service.tick();
    });
    this.#every(4000, 1000, () => this.#crash(this.#serviceNode, () => this.#service.crash()));
    for (const { lane, node } of this.#lanes) {
      this.#every(tickMs, tickMs / 2, () => {
        if (node.isUp) lane.tick();
      });
      this.#every(3000, 500, () => this.#crash(node, () => lane.crash()));
      this.#every(4000, 1000, () => {
        node.isCut = true;
        this.#later(500 + this.#below(2500), () => {
          node.isCut = false;
        });
      });
    }
    for (; this.#now < runMs && !this.#outcome.violation; this.#now++) {
      for (const event of this.#queue[this.#now] ?? []) if (!this.#outcome.violation) event();
    }
    return this.#outcome;
  }

  /** A client with a key, or without one, by an isolate whose layout may be an old one. */
  #connect(): void {
    const begunAt = this.#acknowledged;
    const isolate = this.#below(this.#seen.length);
    const layout = this.#seen[isolate];
    if (!layout) return;
    const index = this.#below(keys.length * 2);
    const key = keys[index] ?? null;
    const slot = key === null ? this.#below(slots) : index;
    const to = this.#lanes[laneOf(slot, layout)];
    this.#later(this.#delay(), () => {
      if (!to?.node.isUp) return;
      const answer = to.lane.connect(key, slot, layout);
      this.#check(key, answer, begunAt);
      // What moved is found at the service's object, as far as that has got.
      if (answer.step !== "moved") return;
      this.#later(this.#delay(), () => {
        this.#seen[isolate] = this.#service.kept.layout;
      });
    });
  }

  #check(key: string | null, answer: Answer, acknowledgedBefore: number): void {
    const outcome = this.#outcome;
    if (answer.step === "reused") outcome.reuses += 1;
    if (answer.step !== "spawned") return;
    outcome.spawns += 1;
    const { token, revision } = answer;
    if (revision < acknowledgedBefore) {
      outcome.violation = "a spawn that began after a pin was acknowledged used an earlier one";
    }
    if (this.#tokens.has(token)) outcome.violation = "a fencing token was given out twice";
    for (const other of this.#tokens) {
      if (other <= token) continue;
      outcome.tokensOutOfOrder += 1;
      break;
    }
    this.#tokens.add(token);
    if (key === null) return;
    if (token <= (this.#lastToken.get(key) ?? 0))
      outcome.violation = "a key's fencing tokens did not increase";
    if (this.#live.has(key)) outcome.violation = "two live backends had one key";
    this.#lastToken.set(key, token);
    this.#live.set(key, token);
    this.#later(100 + this.#below(1500), () => {
      this.#live.delete(key);
      this.#reportEnd(key, token);
    });
  }

  /** Repeated until the lane that has the key has noted it. */
  #reportEnd(key: string, token: number): void {
    const to = this.#lanes[laneOf(keys.indexOf(key), this.#service.kept.layout)];
    this.#later(this.#delay(), () => {
      const isNoted = to?.node.isUp && to.lane.ended(key, token);
      if (!isNoted) this.#later(100, () => this.#reportEnd(key, token));
    });
  }

  #pinAcknowledged(revision: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, revision);
    this.#outcome.pins += 1;
    if (this.#lanes.some(({ node }) => node.isCut || !node.isUp)) this.#outcome.pinsWithoutALane += 1;
    this.#outcome.layouts = this.#service.kept.layout.epoch;
  }

  #toLane(index: number, message: ToLane): void {
    const to = this.#lanes[index];
    if (to) this.#deliver(to.node, to.node, () => to.lane.receive(message));
  }

  #toService(from: Node, message: ToService): void {
    this.#deliver(from, this.#serviceNode, () => this.#service.receive(message));
  }

  /** @param link the lane's, over which it goes */
  #deliver(link: Node, to: Node, receive: () => void): void {
    const copies = this.#random() < 0.05 ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (link.isCut || this.#random() < 0.05) continue;
      this.#later(this.#delay(), () => {
        if (to.isUp) receive();
      });
    }
  }

  #crash(node: Node, restart: () => void): void {
    if (!node.isUp) return;
    node.isUp = false;
    this.#outcome.crashes += 1;
    this.#later(10 + this.#below(600), () => {
      node.isUp = true;
      restart();
    });
  }

  #newNode(): Node {
    const rate = 1 + clockDrift * (this.#below(3) - 1);
    const startsAt = this.#below(1_000_000);
    return { now: () => startsAt + this.#now * rate, isUp: true, isCut: false };
  }

  /** Some 20 ms, and now and then most of a second. */
  #delay(): number {
    return 1 + this.#below(this.#random() < 0.1 ? 800 : 40);
  }

  #every(meanMs: number, leastMs: number, event: () => void): void {
    this.#later(leastMs + this.#below(2 * (meanMs - leastMs)), () => {
      event();
      this.#every(meanMs, leastMs, event);
    });
  }

  #later(ms: number, event: () => void): void {
    this.#queue[this.#now + Math.max(1, Math.round(ms))]?.push(event);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * Math.max(1, limit));
  }
}

/** A generator of pseudo-random numbers in [0, 1): a linear congruence modulo 2^32, of which the upper bits are taken. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}
