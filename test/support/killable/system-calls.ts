import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { whyNotWith } from "../programs.ts";

/** What a process did that others can see, or that outlives it. */
export interface SystemCall {
  kind: "receives" | "sends" | "writes" | "syncs";
  /** The socket or file, as strace(1) names it. */
  of: string;
  /** The bytes, with what is not ASCII escaped; empty for `syncs`. */
  bytes: string;
}

const kinds: Readonly<Record<string, SystemCall["kind"]>> = {
  ...{ read: "receives", readv: "receives", recvfrom: "receives", recvmsg: "receives" },
  ...{ write: "sends", writev: "sends", sendto: "sends", sendmsg: "sends" },
  ...{ pwrite64: "writes", pwritev: "writes", fsync: "syncs", fdatasync: "syncs" },
};

/** Why a process that runs already cannot be traced here; null where it can. A container may forbid it, in CI too. */
export function whyNoTracing(): string | null {
  const missing = whyNotWith("strace");
  if (missing !== null) return missing;
  // It traces its parent until it is stopped, unless it may not.
  const { error } = spawnSync("strace", ["-o", "/dev/null", "-p", String(process.pid)], { timeout: 500 });
  const wasStopped = error !== undefined && "code" in error && error.code === "ETIMEDOUT";
  return wasStopped ? null : "strace may not attach to a process here";
}

/**
 * Runs `action` and notes what a process and its threads do meanwhile, by strace(1): in the order in which the calls ended.
 * @param file where strace writes
 */
export async function systemCallsDuring(
  pid: number,
  file: string,
  action: () => Promise<void>,
): Promise<SystemCall[]> {
  const traced = `--trace=${Object.keys(kinds).join(",")}`;
  const strace = spawn("strace", ["-f", "-yy", "-s", "65536", traced, "-o", file, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(strace, "exit");
  for await (const line of createInterface({ input: strace.stderr })) {
    if (/attached/.test(line)) break;
  }
  strace.stderr.resume();
  try {
    await action();
  } finally {
    strace.kill("SIGINT");
    await ended;
  }
  return parse(await readFile(file, "utf8"));
}

/** A call that another thread's interrupts is printed in two lines: the first has what it is about, the second that it has ended. */
function parse(output: string): SystemCall[] {
  const begun = new Map<string, string>();
  return output.split("\n").flatMap((line) => {
    const [, thread = "", text = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (text.endsWith("<unfinished ...>")) {
      begun.set(thread, text);
      return [];
    }
    const isResumed = text.startsWith("<... ");
    const call = isResumed ? `${begun.get(thread) ?? ""}${text}` : text;
    const [, name = "", of = ""] =
      /^(\w+)\(\d+<(.*?)>[,)]/s.exec(call) ?? /^(\w+)\(\d+<(.*?)> <unf/s.exec(call) ?? [];
    const kind = kinds[name];
    return kind === undefined ? [] : [{ kind, of, bytes: kind === "syncs" ? "" : call }];
  });
}
