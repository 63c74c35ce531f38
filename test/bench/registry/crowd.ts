import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sandbox } from "../sandbox.ts";
import { openClient } from "./client.ts";
import { randomImage } from "./image.ts";
import { startSlipway } from "./servers.ts";

const stalledUploads = 40;
/** What each sends before it stalls, as far as the registry takes it: two parts, and a half. */
const sentBytes = 13_000_000;
const restBytes = 3_000_000;
/** They have stalled when nothing was taken of any for so long. */
const quietMs = 3000;
const timeoutMs = 300_000;
const parallelImage = { layerCount: 5, layerBytes: 100_000_000 } as const;

/** The most memory of the process that serves, in bytes. */
export interface CrowdMemory {
  uploads: { startBytes: number; stalledBytes: number; finishedBytes: number };
  layers: { startBytes: number; peakBytes: number; bytesPerSecond: number };
}

/** Uploads that stall with bytes under way and then go on, and a push of large layers at once, as docker sends them. */
export async function measureCrowd(sandbox: Sandbox): Promise<CrowdMemory> {
  return { uploads: await measureStalled(sandbox), layers: await measureParallel(sandbox) };
}

async function measureStalled(sandbox: Sandbox): Promise<CrowdMemory["uploads"]> {
  await using server = await startSlipway(sandbox);
  const { origin, name, authorization = "" } = server.repository;
  const startBytes = await server.peakBytes();
  const uploads = await Promise.all(
    Array.from({ length: stalledUploads }, async () => {
      const begun = await fetch(`${origin}/v2/${name}/blobs/uploads/`, {
        method: "POST",
        headers: { authorization },
      });
      const url = new URL(begun.headers.get("location") ?? "", origin);
      const outgoing = request(url, { method: "PATCH", headers: { authorization } });
      const answered = once(outgoing, "response", { signal: AbortSignal.timeout(timeoutMs) });
      outgoing.write(randomBytes(sentBytes));
      return { outgoing, answered };
    }),
  );
  for (let unsent = -1; ; await sleep(quietMs)) {
    const left = uploads.reduce((total, { outgoing }) => total + outgoing.writableLength, 0);
    if (left === unsent) break;
    unsent = left;
  }
  const stalledBytes = await server.peakBytes();
  const statuses = await Promise.all(
    uploads.map(async ({ outgoing, answered }) => {
      outgoing.end(randomBytes(restBytes));
      const [{ statusCode }] = await answered;
      return statusCode;
    }),
  );
  const failed = statuses.filter((status) => status !== 202);
  if (failed.length > 0) throw new Error(`uploads that had stalled were answered ${failed.join(", ")}`);
  return { startBytes, stalledBytes, finishedBytes: await server.peakBytes() };
}

async function measureParallel(sandbox: Sandbox): Promise<CrowdMemory["layers"]> {
  await using server = await startSlipway(sandbox);
  const { layerCount, layerBytes } = parallelImage;
  const client = openClient(server.repository, AbortSignal.timeout(timeoutMs), layerCount);
  try {
    const startBytes = await server.peakBytes();
    const from = performance.now();
    await client.push(randomImage(layerCount, layerBytes), "parallel", "patch");
    const seconds = (performance.now() - from) / 1000;
    const bytesPerSecond = (layerCount * layerBytes) / seconds;
    return { startBytes, peakBytes: await server.peakBytes(), bytesPerSecond };
  } finally {
    client.close();
  }
}
