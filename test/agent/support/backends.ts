import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { Backends } from "../../../src/agent/backends/backends.ts";
import { type Journal, openJournal } from "../../../src/agent/backends/journal.ts";
import { agentClock } from "../../../src/agent/clock.ts";
import { slipwayClient } from "../../../src/agent/control-plane/client.ts";
import { statusReporter } from "../../../src/agent/control-plane/reporter.ts";
import type { ImageCommands } from "../../../src/agent/runtimes/process/images/image-store.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { testFolder, testSlipway } from "./cluster.ts";
import { agentToken, spawnData } from "./deliveries.ts";
import { eventually } from "./eventually.ts";
import type { FakeSlipway } from "./fake-slipway.ts";
import type { ImageName } from "./images.ts";
import { processesIn, quickClock } from "./quick.ts";
import { collect, never } from "./streams.ts";

export interface BackendsOptions {
  images?: ImageCommands;
  dir?: string;
  slipway?: FakeSlipway;
  /** Called before the runtime starts something. */
  onStart?: () => void;
  /** What is given to the backends in place of their journal. */
  journalOver?: (journal: Journal) => Journal;
}

/** The backends of an agent without its server. They end with the test. */
export async function startBackends(options: BackendsOptions = {}) {
  const { images, dir = await testFolder(), slipway = await testSlipway(), onStart, journalOver } = options;
  const processes = processesIn(dir, images);
  const clock = { ...agentClock, ...quickClock, closeGraceMs: 0 };
  const log = () => undefined;
  const client = slipwayClient({ apiUrl: slipway.url, agentToken, timeoutMs: clock.callTimeoutMs });
  const opened = openJournal(join(dir, "state"), { account: "acme", cluster: "eu-prod" });
  const journal = journalOver?.(opened) ?? opened;
  const reporter = statusReporter({ client, clock, look: () => undefined, log });
  const backends = new Backends({
    runtime: {
      ...processes,
      start(spec) {
        onStart?.();
        return processes.start(spec);
      },
    },
    clock,
    log,
    journal,
    reporter,
    lease: { check: () => true, grants: () => true },
    whyNoRoom: () => null,
  });
  await backends.adopt();
  backends.startReporting((id) => `https://backends.example.com/${id}`);
  const close = async () => {
    await backends.endAll(0);
    await reporter.close(10_000);
    journal.close();
  };
  let closed: Promise<void> | undefined;
  const started = {
    slipway,
    journal,
    backends,
    dir,
    close() {
      closed ??= close();
      return closed;
    },
    /** Leaves everything as it is, as an agent that is killed does. */
    leave() {
      closed ??= (async () => {
        await backends.releaseAll();
        await reporter.close(0);
        journal.close();
      })();
      return closed;
    },
    spawn(image: ImageName) {
      const data = spawnWebhookData.parse(spawnData(image));
      expect(backends.spawn(data).ok).toBe(true);
      return data.backend_id;
    },
    /** Resolves when the end of a backend is all that is known of it. */
    forgotten: (id: string) => eventually(() => backends.get(id)).toBeUndefined(),
    async lines(id: string, signal = never): Promise<string[] | null> {
      const logs = backends.logs(id, signal);
      return logs && collect(logs);
    },
  };
  onTestFinished(() => started.close());
  return started;
}
