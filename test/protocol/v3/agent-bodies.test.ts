import { expect, test } from "vitest";
import { z } from "zod";
import * as agent from "../../../src/protocol/v3/agent.ts";

const bodies = Object.entries(agent).filter(([name]) => name.endsWith("Body"));

/** One of each body with every field that it may have. */
const full: Record<string, object> = {
  heartbeatBody: {
    cluster: "main",
    agent_id: "a",
    version: "1.2.0",
    backends: [{ id: "k3f9q7h3kq2m9", status: "ready", fencing_token: 7, idle_seconds: 31 }],
    capacity: 8,
    draining: true,
    fence: "proof",
    leaving: true,
    disk: { free_bytes: 1, total_bytes: 2 },
  },
  statusReportBody: {
    status: "terminated",
    fencing_token: 7,
    exit_code: 1,
    termination_reason: "swept",
    termination_kind: "soft",
    url: "https://eu.example.com/k3f9q7h3kq2m9",
  },
};

/** The same with a field that nobody knows, in each of its objects. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMore);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, withMore(field)]);
  return { ...Object.fromEntries(fields), colour: { red: [1] } };
}

test.for(bodies)("%s of a newer agent is taken, and what is not known in it left out", ([name, schema]) => {
  const body = full[name];
  if (!(schema instanceof z.ZodObject)) throw new Error(`${name} is no object`);
  expect(Object.keys(body ?? {}).sort()).toEqual(Object.keys(schema.shape).sort());
  expect(schema.parse(withMore(body))).toEqual(body);
});

test("an agent without a disk to speak of leaves it out", () => {
  const { disk: _disk, ...older } = full.heartbeatBody as { disk: object };
  expect(agent.heartbeatBody.parse(older)).toEqual(older);
});
