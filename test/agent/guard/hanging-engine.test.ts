import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { agentClock } from "../../../src/agent/clock.ts";
import { bootId } from "../../../src/agent/control-plane/boot-id.ts";
import { leaseFileIn, writeLease } from "../../../src/agent/control-plane/lease-file.ts";
import { writePlan } from "../../../src/agent/guard/guard-files.ts";
import { runningOf } from "../../support/process.ts";
import { testFolder } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { guardOf } from "../support/guards.ts";

const program = fileURLToPath(new URL("../../../src/agent/guard/guard.ts", import.meta.url));

/** A process that lives until it is killed, as a container's first one. */
function startProcess(): number {
  const { pid } = spawn("sleep", ["3600"], { stdio: "ignore" });
  if (pid === undefined) throw new Error("the process was not started");
  onTestFinished(async () => {
    if ((await runningOf([pid])).length > 0) process.kill(pid, "SIGKILL");
  });
  return pid;
}

/**
 * An engine with containers of these processes.
 * @param hangs whether it gives no answer from now on to a request
 */
async function startEngine(pids: readonly number[], hangs: (request: string, before: string[]) => boolean) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://engine");
    const line = `${request.method} ${pathname}`;
    const isHanging = hangs(line, requests);
    requests.push(line);
    if (isHanging) return;
    const inspected = /^\/containers\/(\d+)\/json$/.exec(pathname)?.[1];
    const list = pids.map((pid) => ({ Id: String(pid), State: "running" }));
    response.end(JSON.stringify(inspected ? { State: { Pid: Number(inspected) } } : list));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // What it listens on is an address and a port.
  const { port } = server.address() as AddressInfo;
  return { requests, engine: { host: "127.0.0.1", port } };
}

test.runIf(process.platform === "linux")(
  "an engine that hangs is waited for once after the lease, and then what it ran is killed without it",
  { timeout: 60_000 },
  async () => {
    const stateDir = await testFolder();
    const pids = [startProcess(), startProcess()];
    const { engine, requests } = await startEngine(pids, (_, before) => before.length > pids.length);
    mkdirSync(join(stateDir, "guard"));
    writePlan(join(stateDir, "guard"), {
      runtime: { kind: "docker", scope: "agent-1", engine },
      agent_pid: startProcess(),
      stopped: null,
    });
    const sentAtMs = agentClock.sinceBootMs();
    const hold = (forMs: number) => writeLease(leaseFileIn(stateDir), { boot: bootId(), sentAtMs, forMs });
    hold(600_000);

    const guard = guardOf(stateDir);
    spawn(process.execPath, [program, stateDir], { stdio: "ignore" });
    await guard.started();
    await eventually(() => requests).toEqual([
      "GET /containers/json",
      ...pids.map((pid) => `GET /containers/${pid}/json`),
    ]);
    expect(await runningOf(pids)).toEqual(pids);
    hold(0);
    await eventually(() => runningOf(pids)).toEqual([]);
    expect(requests.filter((request) => request.startsWith("POST"))).toEqual([]);
  },
);
