import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { AgentOptions } from "../../../src/agent/agent.ts";
import { registryClient } from "../../../src/agent/registry/client.ts";
import { contentStore } from "../../../src/agent/registry/content-store.ts";
import { imageStore, sessionTrees } from "../../../src/agent/runtimes/process/images/image-store.ts";
import { keptImages } from "../../../src/agent/runtimes/process/images/kept-images.ts";
import { processRuntime } from "../../../src/agent/runtimes/process/process.ts";
import type { Runtime, RuntimeImages } from "../../../src/agent/runtimes/runtime.ts";
import type { DiskSpace } from "../../../src/domain/disk/disk-space.ts";
import { startCluster, testFolder } from "./cluster.ts";
import { spawnData } from "./deliveries.ts";
import { eventually } from "./eventually.ts";
import type { FakeSlipway } from "./fake-slipway.ts";
import { imageOf, layerOf, type TestImage } from "./oci-image.ts";
import { type OciRegistry, startOciRegistry } from "./oci-registry.ts";

/** Of the disk that the meter finds. */
export const percent = 128 * 1024;
const totalBytes = 100 * percent;

/** An image that takes about twice this on the disk: as it was pulled, and unpacked. Its program only waits. */
export function sizedImage(name: string, bytes: number): TestImage {
  return imageOf(
    [
      layerOf([{ path: "padding", text: name.padEnd(bytes) }]),
      layerOf([{ path: "run", text: "#!/bin/sh\nexec sleep 1000\n", mode: 0o755 }]),
    ],
    { Cmd: ["/run"] },
  );
}

/** What is below a folder, as the disk has it. */
export async function bytesBelow(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  if (!found) return 0;
  if (!found.isDirectory()) return found.blocks * 512;
  const names = await readdir(path).catch(() => []);
  const sizes = await Promise.all(names.map((name) => bytesBelow(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export interface DiskClusterOptions extends Partial<AgentOptions> {
  dir?: string;
  slipway?: FakeSlipway;
  registry?: OciRegistry;
  /** Stands between the agent and the images of its runtime. */
  imagesOver?: (images: RuntimeImages) => RuntimeImages;
  outputKeptBytes?: number;
}

/**
 * An agent that pulls from a registry and runs processes; where no other meter is given, on a disk that has nothing but its
 * images, and what the test says others have on it.
 */
export async function startDiskCluster(options: DiskClusterOptions = {}) {
  const { imagesOver, outputKeptBytes, registry: given, dir: place, ...overrides } = options;
  const dir = place ?? (await testFolder());
  const registry = given ?? (await startOciRegistry());
  const imagesDir = join(dir, "images");
  const content = contentStore(imagesDir);
  // Beside what the disk is said to have: copies for sessions are not what is collected.
  const trees = sessionTrees({ dir: join(dir, "copies") });
  const images = keptImages(content, trees);
  const disk = { othersBytes: 0, sweeps: 0 };
  const processes = processRuntime({
    images: imageStore({ content, registry: registryClient(null), trees }),
    keptImages: imagesOver?.(images) ?? images,
    dir: join(dir, "processes"),
    pollEveryMs: 10,
    ...(outputKeptBytes === undefined ? {} : { outputKeptBytes }),
  });
  const runtime: Runtime = {
    ...processes,
    clear(options) {
      disk.sweeps++;
      return processes.clear(options);
    },
  };
  const cluster = await startCluster({
    dir,
    runtime,
    diskMeter: async (): Promise<DiskSpace> => {
      const usedBytes = disk.othersBytes + (await bytesBelow(imagesDir));
      return { totalBytes, freeBytes: Math.max(0, totalBytes - usedBytes) };
    },
    ...overrides,
    clock: { imageGcEveryMs: 20, ...overrides.clock },
  });
  // What is being copied for the next session would be in the way of the folder's removal.
  onTestFinished(() => trees.discardOf(imagesDir));
  const changesOf = ({ digest }: TestImage) => {
    const { repository } = registry;
    return {
      image: { repository, digest, reference: `${repository}@${digest}`, tag: null },
      key: null,
      // None is ever ready.
      limits: { startup_timeout_seconds: 3600, max_idle_seconds: 0 },
    };
  };
  return {
    ...cluster,
    runtime,
    registry,
    disk,
    imagesDir,
    kept: async (kind: "blobs" | "roots" | "incoming") => {
      const path = kind === "incoming" ? join(imagesDir, kind) : join(imagesDir, kind, "sha256");
      return (await readdir(path).catch(() => [])).map((hex) => `sha256:${hex}`);
    },
    /** Sends the spawn of a session, which is pulled, started and never ready. */
    async send(image: TestImage, changes: object = {}) {
      registry.add(image);
      const data = spawnData("serve", { ...changesOf(image), ...changes });
      const answer = await cluster.deliver("backend.spawn", data);
      const body: unknown = await answer.json();
      return {
        id: data.backend_id,
        status: answer.status,
        body,
        retryAfter: answer.headers.get("retry-after"),
      };
    },
    /** Runs a session. @returns its id */
    async run(image: TestImage): Promise<string> {
      registry.add(image);
      const id = await cluster.spawn("serve", changesOf(image));
      await cluster.reached(id, "waiting");
      return id;
    },
    async end(id: string): Promise<void> {
      await cluster.terminate(id, true);
      await cluster.reached(id, "terminated");
      await eventually(async () => (await runtime.list()).map(({ backendId }) => backendId)).not.toContain(
        id,
      );
    },
    async announce(image: TestImage, environment: string, revision: number): Promise<void> {
      registry.add(image);
      const data = { account: "acme", service: "hello", environment, revision, ...changesOf(image) };
      await cluster.deliver("image.pinned", data);
    },
  };
}
