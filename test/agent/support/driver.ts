import { expect } from "vitest";
import { type Delivery, signatureHeaders, spawnData } from "./deliveries.ts";
import { eventually } from "./eventually.ts";
import type { FakeSlipway } from "./fake-slipway.ts";
import type { ImageName } from "./images.ts";

/** What a test does to an agent, as Slipway and its clients would. */
export function driver(slipway: FakeSlipway, agentUrl: () => string) {
  const drive = {
    /** POSTs a signed webhook. */
    deliver(type: string, data: unknown, delivery: Delivery = {}) {
      const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
      const headers = signatureHeaders(body, delivery);
      return fetch(`${agentUrl()}/webhook`, { method: "POST", headers, body });
    },
    /** Spawns a backend. @returns its id */
    async spawn(image: ImageName = "serve", changes: Record<string, unknown> = {}): Promise<string> {
      const data = spawnData(image, changes);
      const response = await drive.deliver("backend.spawn", data);
      expect(response.status).toBe(200);
      return data.backend_id;
    },
    async spawnReady(image: ImageName = "serve", changes: Record<string, unknown> = {}): Promise<string> {
      const id = await drive.spawn(image, changes);
      await drive.reached(id, "ready");
      return id;
    },
    terminate(id: string, hard: boolean) {
      return drive.deliver("backend.terminate", { backend_id: id, hard, reason: "external" });
    },
    /** Resolves once Slipway has acknowledged a report of this status. */
    async reached(id: string, status: string): Promise<void> {
      await eventually(() => slipway.statusesOf(id)).toContain(status);
    },
    /** The acknowledged report of the end, once there is one, without what went with it: that depends on how soon it came. */
    async end(id: string) {
      await drive.reached(id, "terminated");
      const { earlier: _, ...end } = slipway.acknowledged(id).at(-1) ?? {};
      return end;
    },
    /** The address of a path of a backend, with a token that is good. */
    async address(id: string, path: string, grant: Parameters<typeof slipway.token>[1] = {}) {
      return `${agentUrl()}/${id}/${await slipway.token(id, grant)}${path}`;
    },
    async get(id: string, path: string): Promise<unknown> {
      const response = await fetch(await drive.address(id, path));
      expect(response.status).toBe(200);
      return response.json();
    },
  };
  return drive;
}
