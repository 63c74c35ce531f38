import { vi } from "vitest";
import type { StatusReportBody } from "../../../src/protocol/v3/agent.ts";
import { type Follower, follow } from "./follow.ts";
import { setUp, value } from "./service.ts";

type Hello = Awaited<ReturnType<typeof setUp>>;

/** An account with a service that has one backend, started without a key. */
export async function setUpBackend() {
  const hello = await setUp();
  await hello.push(1, "latest");
  return { ...hello, ...(await startBackend(hello)) };
}

/** Starts a backend, and speaks for the agent that runs it. */
export async function startBackend(hello: Hello, key?: string) {
  const { backendId } = value(await hello.connect(key === undefined ? {} : { key }));
  const live = value(await hello.service().liveBackends());
  const fencingToken = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
  const shard = () => hello.shard(backendId);
  return {
    backendId,
    fencingToken,
    shard,
    describe: async () => value(await shard().describe(hello.account, "hello", backendId)),
    /** Reports one second after whatever was before. */
    say: async (report: Omit<StatusReportBody, "fencing_token">, reporter = "main") => {
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
