import type { CreateDrainBody, Drain } from "../../../src/protocol/v3/drains.ts";
import { createDrainBody } from "../../../src/protocol/v3/drains.ts";
import { passTimeAndSettle } from "../../support/worker/clock.ts";
import { notRunningHere, type ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { pendingWebhooks } from "./pending-webhooks.ts";
import { caller, digestNumber, type Hello, value } from "./service.ts";

export const oldDigest = digestNumber(1);
export const newDigest = digestNumber(2);

/** A body of a drain, as a route reads it. */
export function drainBody(body: Partial<CreateDrainBody> = {}): CreateDrainBody {
  return createDrainBody.parse({ digest: oldDigest, ...body });
}

/** Moves the environment `default` from image 1 to image 2. */
export async function moveOn(hello: Hello): Promise<void> {
  await hello.push(2, "latest");
}

export async function drainOf(hello: Hello, body: Partial<CreateDrainBody> = {}): Promise<Drain> {
  return value(await hello.service().createDrain(drainBody(body), caller));
}

export async function shown(hello: Hello, { id }: { id: string }): Promise<Drain> {
  return value(await hello.service().getDrain(id));
}

/** Starts backends one after the other, each with a key of its own: `doc-0`, `doc-1` … @returns their ids */
export async function startKeyed(hello: Hello, count: number, environment?: string): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const at = environment === undefined ? {} : { environment };
    ids.push(value(await hello.connect({ key: `doc-${i}`, ...at })).backendId);
  }
  return ids;
}

/**
 * Has a cluster not know what it is to terminate: each backend has ended with its termination.
 * @returns what it was sent of terminations, in milliseconds since now by the test's clock
 */
export function endsAtOnce(cluster: ScriptedCluster): { id: string; at: number; hard: boolean }[] {
  const begunAt = Date.now();
  const ended: { id: string; at: number; hard: boolean }[] = [];
  cluster.always(({ type, data }) => {
    if (type !== "backend.terminate") return Response.json({});
    ended.push({ id: data.backend_id, at: Date.now() - begunAt, hard: data.hard });
    return notRunningHere();
  });
  return ended;
}

/** Lets the clock run on, with each alarm at its time and what it has sent answered. */
export async function run(hello: Hello, ms: number, stepMs = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await settled(hello);
    await passTimeAndSettle(hello.service(), Math.min(stepMs, ms - passed));
  }
  await settled(hello);
}

/** Waits until the terminations that were sent are answered, and what follows from that is written. The clock stands still meanwhile. */
export async function settled(hello: Hello): Promise<void> {
  const isPending = async () =>
    Object.keys(await pendingWebhooks(hello.service())).some((id) => id.includes("_terminate_"));
  while (await isPending()) await new Promise((resolve) => setTimeout(resolve, 1));
}
