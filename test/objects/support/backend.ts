import { vi } from "vitest";
import type { StatusReportBody } from "../../../src/protocol/v3/agent.ts";
import { type Follower, follow } from "./follow.ts";
import { type Hello, setUpPinned, value } from "./service.ts";

/** An account with a service that has one backend. */
export async function setUpBackend(key?: string) {
  const hello = await setUpPinned();
  return { hello, ...(await startBackend(hello, key)) };
}

/** Starts a backend, and speaks for the agent that runs it. */
export async function startBackend(hello: Hello, key?: string) {
  const { backendId } = value(await hello.connect(key === undefined ? {} : { key }));
  const live = value(await hello.service().liveBackends());
  const fencingToken = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
  const shard = () => hello.shard(backendId);
  const describe = async () => value(await shard().describe(hello.account, "hello", backendId));
  return {
    backendId,
    fencingToken,
    /** How a heartbeat reports it. */
    reported: { id: backendId, status: "ready", fencing_token: fencingToken } as const,
    shard,
    describe,
    history: async () => (await describe()).history,
    /** Reports a status one second after whatever was before. */
    report: async (report: Omit<StatusReportBody, "fencing_token">, reporter = "main") => {
      vi.setSystemTime(Date.now() + 1_000);
      const body = { ...report, fencing_token: fencingToken };
      return shard().report(hello.account, "hello", reporter, backendId, body);
    },
    follow: async (): Promise<Follower> => {
      const follower = await follow(hello, backendId);
      if ("status" in follower) throw new Error(`not followed: ${follower.status}`);
      return follower;
    },
  };
}

/** The statuses of a history. */
export function statuses(entries: readonly { status: string }[]): string[] {
  return entries.map(({ status }) => status);
}
