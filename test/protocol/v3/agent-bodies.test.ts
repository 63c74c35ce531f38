import { expect, test } from "vitest";
import { z } from "zod";
import * as agent from "../../../src/protocol/v3/agent.ts";

const bodies = Object.entries(agent).filter(([name]) => name.endsWith("Body"));

const backends = [{ id: "k3f9q7h3kq2m9", status: "ready", fencing_token: 7, idle_seconds: 31 }];
const heartbeat = {
  cluster: "main",
  agent_id: "a",
  version: "1.2.0",
  list_digest: "00000000",
  capacity: 8,
  draining: true,
  fence: "proof",
  leaving: true,
  disk: { free_bytes: 1, total_bytes: 2 },
};

/** Of each body those which together have every field that it may have. */
const full: Record<string, object[]> = {
  heartbeatBody: [
    { ...heartbeat, backends },
    { ...heartbeat, changes: { backends, gone: ["k3f9q7h3kq2m8"] } },
  ],
  statusReportBody: [
    {
      status: "terminated",
      fencing_token: 7,
      exit_code: 1,
      termination_reason: "swept",
      termination_kind: "soft",
      url: "https://eu.example.com/k3f9q7h3kq2m9",
      earlier: [{ status: "terminating", termination_reason: "swept", ms_ago: 12 }],
    },
  ],
};

/** The same with a field that nobody knows, in each of its objects. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMore);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, withMore(field)]);
  return { ...Object.fromEntries(fields), colour: { red: [1] } };
}

test.for(bodies)("%s of a newer agent is taken, and what is not known in it left out", ([name, schema]) => {
  const known = full[name] ?? [];
  if (!(schema instanceof z.ZodObject)) throw new Error(`${name} is no object`);
  const fields = new Set(known.flatMap((body) => Object.keys(body)));
  expect([...fields].sort()).toEqual(Object.keys(schema.shape).sort());
  for (const body of known) expect(schema.parse(withMore(body))).toEqual(body);
});

test("an agent without a disk to speak of leaves it out", () => {
  const { disk: _disk, ...older } = { ...heartbeat, backends };
  expect(agent.heartbeatBody.parse(older)).toEqual(older);
});

test.for<[string, object]>([
  ["neither the list nor changes", {}],
  ["both", { backends: [], changes: { backends: [], gone: [] }, list_digest: "00000000" }],
  ["changes without the digest of what they lead to", { changes: { backends: [], gone: [] } }],
])("a heartbeat with %s is refused", ([, body]) => {
  expect(
    agent.heartbeatBody.safeParse({ cluster: "main", agent_id: "a", version: "1", ...body }).success,
  ).toBe(false);
});
