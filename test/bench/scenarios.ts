import { z } from "zod";
import type { LoadRequest } from "./load-protocol.ts";
import type { BenchName } from "./options.ts";
import { call, imageTags, type Subject } from "./subject.ts";

export const floorNames = ["call", "call + insert", "call + insert + fetch"] as const;
export type FloorName = (typeof floorNames)[number];

/** What a subject is to reach; ratios are those to the floor. */
export interface Aim {
  minThroughput: number;
  maxCpuRatio?: number;
  maxCpuMs?: number;
  maxP99Ms?: number;
}

/** What is measured, against which floors, with which aims. */
export interface Scenario {
  name: Extract<BenchName, "spawn" | "held-key" | "pin" | "resolve">;
  floors: readonly FloorName[];
  aims: Readonly<Partial<Record<FloorName, Aim>>>;
  /** Brings the service into the state that is measured. @returns what to send, in turn */
  prepare(subject: Subject): Promise<LoadRequest[]>;
}

export const scenarios: readonly Scenario[] = [
  {
    name: "spawn",
    floors: ["call + insert + fetch"],
    aims: { "call + insert + fetch": { minThroughput: 0.85, maxCpuRatio: 1.25, maxP99Ms: 45 } },
    prepare: async (subject) => [jsonRequest(subject, "POST", subject.connectPath, {})],
  },
  {
    name: "held-key",
    floors: ["call", "call + insert"],
    aims: { call: { minThroughput: 0.8, maxCpuMs: 0.33, maxP99Ms: 15 } },
    async prepare(subject) {
      const body = { key: "held" };
      await call(z.unknown(), subject.origin, subject.token, "POST", subject.connectPath, body);
      return [jsonRequest(subject, "POST", subject.connectPath, body)];
    },
  },
  {
    name: "pin",
    floors: ["call + insert"],
    aims: { "call + insert": { minThroughput: 0.6, maxCpuRatio: 1.6 } },
    // In turn, so that each is a change, of which the cluster is notified.
    prepare: async (subject) =>
      imageTags.map((image) => jsonRequest(subject, "PUT", `${subject.environmentPath}/pin`, { image })),
  },
  {
    name: "resolve",
    floors: ["call"],
    aims: { call: { minThroughput: 0.9 } },
    prepare: async (subject) => [
      {
        method: "GET",
        path: `${subject.environmentPath}/resolve`,
        headers: { authorization: `Bearer ${subject.token}` },
      },
    ],
  },
];

const floorPaths: Record<FloorName, string> = {
  call: "/?insert=0&fetch=0",
  "call + insert": "/?fetch=0",
  "call + insert + fetch": "/",
};

export function floorRequest(floor: FloorName): LoadRequest {
  const body = JSON.stringify({ service: "hello" });
  return { method: "POST", path: floorPaths[floor], headers: { "content-type": "application/json" }, body };
}

function jsonRequest(subject: Subject, method: "POST" | "PUT", path: string, body: unknown): LoadRequest {
  return {
    method,
    path,
    headers: { authorization: `Bearer ${subject.token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}
