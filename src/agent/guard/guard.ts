/*
 * The guard of an agent, a program of its own, on Linux:
 *
 *     node guard.ts <state directory>                        kept running by a supervisor
 *     node guard.ts <state directory> for-agent [command …]  started by the agent, which the command starts again
 *
 * It ends the backends that hold keys when the kept lease has run out, whatever became of the agent. It is one file that
 * imports nothing but Node: it starts where an installation is broken, and goes on where one is replaced. What it reads it
 * takes as it is, without schemas: lease (../control-plane/lease-file.ts), plan (guard-files.ts) and what was written down
 * of each backend before its start (../runtimes/process/backend-folder.ts, ../runtimes/docker/labels.ts).
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { request } from "node:http";
import { uptime } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";

const turnMs = 1_000;
/** How often containers are listed while the lease is held, to know their processes when the engine hangs. */
const observeEveryMs = 5_000;
const engineTimeoutMs = 3_000;
/** A supervisor that starts the agent again comes first. */
const restartFirstMs = 5_000;
const restartLongestMs = 60_000;
/** How long a guard without an agent stays after the lease: an engine may start late what was begun before. */
const leaveAfterMs = 5 * 60_000;
const logMaxBytes = 1024 * 1024;
/** Exit codes: the agent's where it cannot be started as it was called, this program's where another guard is there. */
const wrongUsage = 2;
const notNeeded = 3;

type Leader = { pid: number; identity: string };
type Container = Record<"Id" | "State", string>;
type Engine = { socketPaths: string[] } | { host: string; port: number };
interface Plan {
  format: number;
  runtime: { kind: "processes"; dir: string } | { kind: "docker"; scope: string; engine: Engine };
  agent_pid: number;
  /** What an agent that was stopped did with its backends; null before. */
  stopped: "end" | "keep" | null;
}

const [stateDir = "", mode, ...agentCommand] = process.argv.slice(2);
const at = (name: string) => join(stateDir, "guard", name);
const boot = textOf("/proc/sys/kernel/random/boot_id").trim();
const nowMs = () => uptime() * 1000;
/** The processes of containers with keys, by container. */
const observed = new Map<string, Leader>();
let observedAtMs = Number.NEGATIVE_INFINITY;
let isFencing = false;
const agent = { pid: 0, identity: "" };
/** When the agent is started again. */
const restart = { delayMs: restartFirstMs, dueAtMs: 0, isUnderWay: false, isRefused: false };

/** Does what may fail, as on a full disk, where something else matters more. */
function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
  }
}

function log(event: string, fields: object = {}): void {
  const line = `${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`;
  attempt(() => fs.appendFileSync(at("guard.log"), line, { mode: 0o600 }));
}

const engineFailed = (error: unknown) => log("guard.engine_failed", { error: String(error) });

/** Keeps logs from growing without end; they may be open elsewhere, to append. */
function boundLogs(): void {
  for (const path of [at("guard.log"), at("agent.log")]) {
    if ((fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0) < logMaxBytes) continue;
    attempt(() => fs.copyFileSync(path, `${path}.earlier`));
    attempt(() => fs.truncateSync(path));
  }
}

/** Empty where it cannot be read. */
function textOf(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** For how much longer the lease is held; not positive where it has run out or is not known. */
function leaseLeftMs(): number {
  // Twice, since a line that is just being replaced does not count.
  return readLeaseLeftMs() ?? readLeaseLeftMs() ?? Number.NEGATIVE_INFINITY;
}

function readLeaseLeftMs(): number | null {
  const line = /^1 (\S+) \d+ (\d+) (\d+)(?: .*)?\n$/.exec(textOf(join(stateDir, "lease")));
  const [, of, until, again] = line ?? [];
  return of === boot && until === again ? Number(until) * 10 - nowMs() : null;
}

/** Null where no agent has left one, or one of another format. */
function readPlan(): Plan | null {
  const text = textOf(at("plan.json"));
  const plan: Plan | null = text === "" ? null : JSON.parse(text);
  return plan?.format === 1 ? plan : null;
}

/** Distinguishes the process that has an id now from every other; null where none that runs has it. */
function identityOf(pid: number): string | null {
  const text = textOf(`/proc/${pid}/stat`);
  // After the program's name in parentheses, which may hold any character.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[19] === undefined || /[ZX]/.test(fields[0] ?? "") ? null : `${boot} ${fields[19]}`;
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

/** Kills the process groups with keys. @returns how many there were */
function fenceProcesses(dir: string): number {
  const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  return names.filter((name) => {
    const text = textOf(join(dir, name, "record.json"));
    const record: { leader: Leader; labels: { key?: string } } | null = text === "" ? null : JSON.parse(text);
    if (record?.labels.key === undefined || record.leader.pid < 2) return false;
    const { pid, identity } = record.leader;
    const now = identityOf(pid);
    // Where the id is another's by now, nothing of the group is left; where it is nobody's, something may be.
    if (now === null ? !identity.startsWith(`${boot} `) : now !== identity) return false;
    // For the runtime, which takes its exit code from that.
    if (now !== null) attempt(() => fs.writeFileSync(join(dir, name, "killed"), ""));
    const isKilled = kill(-pid);
    if (isKilled) log("guard.killed", { backend_id: name });
    return isKilled;
  }).length;
}

/** A call to the engine. Rejects where it gives no answer in time. */
async function callEngine(engine: Engine, method: string, path: string, until?: AbortSignal) {
  const sockets = "socketPaths" in engine ? engine.socketPaths : [];
  const socketPath = sockets.find((path) => fs.existsSync(path)) ?? sockets[0];
  const place = "socketPaths" in engine ? { socketPath } : engine;
  const signal = until ?? AbortSignal.timeout(engineTimeoutMs);
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = request({ ...place, method, path, agent: false, signal }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      answer.once("error", reject);
    });
    sent.once("error", reject);
    sent.end();
  });
}

/** The containers of the scope that have keys and run, or may yet. Rejects where the engine does not list them. */
async function listContainers(engine: Engine, scope: string, signal?: AbortSignal): Promise<Container[]> {
  const status = ["created", "running", "paused", "restarting"];
  const filters = JSON.stringify({ status, label: [`dev.slipway.scope=${scope}`, "dev.slipway.key"] });
  const query = new URLSearchParams({ all: "1", filters });
  const answer = await callEngine(engine, "GET", `/containers/json?${query}`, signal);
  if (answer.status === 200) return JSON.parse(answer.body);
  throw new Error(`the engine answered ${answer.status}`);
}

/** Takes note of the processes of containers with keys, of as many as the engine describes in time. */
async function observeContainers(engine: Engine, scope: string, signal: AbortSignal): Promise<void> {
  const live = (await listContainers(engine, scope, signal)).filter(({ State }) => State !== "created");
  for (const id of observed.keys()) if (!live.some(({ Id }) => Id === id)) observed.delete(id);
  for (const { Id } of live.filter((container) => !observed.has(container.Id))) {
    const { body } = await callEngine(engine, "GET", `/containers/${Id}/json`, signal);
    const pid: number = JSON.parse(body).State?.Pid ?? 0;
    const identity = pid > 1 ? identityOf(pid) : null;
    if (identity === null) continue;
    observed.set(Id, { pid, identity });
    log("guard.observed", { container: Id, pid });
  }
}

/** Kills the containers with keys, by their processes where the engine does not. @returns how many there were */
async function fenceContainers(engine: Engine, scope: string): Promise<number> {
  const found = await listContainers(engine, scope).catch(engineFailed);
  // It is renewed only when all that it did not cover has ended: these are others.
  if (leaseLeftMs() > 0) return 0;
  if (found) await Promise.all(found.map((container) => endContainer(engine, container)));
  // An engine that does not list them is not worth the time of another call.
  else for (const Id of observed.keys()) killObserved(Id);
  return found ? found.length : observed.size;
}

/** Kills the process of a container, where it was taken note of. */
function killObserved(Id: string): void {
  const leader = observed.get(Id);
  const isKilled = leader !== undefined && identityOf(leader.pid) === leader.identity && kill(leader.pid);
  log("guard.without_engine", { container: Id, process_killed: isKilled });
}

async function endContainer(engine: Engine, { Id, State }: Container): Promise<void> {
  // One that was not started must not be any more.
  const [method, path] =
    State === "created" ? ["DELETE", `/containers/${Id}?v=1`] : ["POST", `/containers/${Id}/kill`];
  try {
    const { status, body } = await callEngine(engine, method, path);
    if (status < 300) observed.delete(Id);
    log("guard.killed", { container: Id, state: State, status, ...(status < 300 ? {} : { body }) });
  } catch (error) {
    engineFailed(error);
    killObserved(Id);
  }
}

/** Ends all that holds a key. @returns how many there were */
const fence = async ({ runtime }: Plan) =>
  runtime.kind === "processes" ? fenceProcesses(runtime.dir) : fenceContainers(runtime.engine, runtime.scope);

async function observe({ runtime }: Plan): Promise<void> {
  if (runtime.kind !== "docker" || nowMs() - observedAtMs < observeEveryMs) return;
  observedAtMs = nowMs();
  // Not beyond the lease, at whose end nothing may be waited for.
  const signal = AbortSignal.timeout(Math.max(0, Math.min(engineTimeoutMs, Math.trunc(leaseLeftMs()))));
  await observeContainers(runtime.engine, runtime.scope, signal).catch(engineFailed);
}

/** Starts the agent again where it has ended without being stopped. @returns whether it runs, or will */
function keepAgent({ agent_pid: pid, stopped }: Plan): boolean {
  if (pid !== agent.pid) {
    const identity = identityOf(pid) ?? "";
    Object.assign(agent, { pid, identity });
    Object.assign(restart, { delayMs: restartFirstMs, dueAtMs: 0, isRefused: false });
  }
  if (identityOf(pid) === agent.identity) return true;
  if (agentCommand.length === 0 || stopped !== null || restart.isRefused) return false;
  if (restart.dueAtMs === 0) {
    log("guard.agent_ended", { pid, starts_after_ms: restart.delayMs });
    restart.dueAtMs = nowMs() + restart.delayMs;
  }
  if (!restart.isUnderWay && nowMs() >= restart.dueAtMs) attempt(startAgent);
  return true;
}

function startAgent(): void {
  const output = fs.openSync(at("agent.log"), "a", 0o600);
  const [program = "", ...args] = agentCommand;
  const child = spawn(program, args, { detached: true, stdio: ["ignore", output, output] });
  const ended = (code: number | null, why = `it exited with ${code}`) => {
    Object.assign(restart, { isUnderWay: false, dueAtMs: 0, isRefused: code === wrongUsage });
    restart.delayMs = Math.min(restart.delayMs * 2, restartLongestMs);
    log("guard.agent_has_ended", { why });
  };
  restart.isUnderWay = true;
  log("guard.agent_started", { pid: child.pid });
  child.once("exit", (code) => ended(code));
  child.once("error", (error) => ended(null, error.message));
}

function takeLock(): DatabaseSync | null {
  const lock = new DatabaseSync(at("lock"), { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch {
    lock.close();
    return null;
  }
}

function writeAlive(): void {
  const program = createHash("sha256")
    .update(fs.readFileSync(import.meta.filename))
    .digest("hex");
  const { pid } = process;
  const alive = { pid, identity: identityOf(pid), program, is_supervised: mode === undefined };
  fs.writeFileSync(at("alive.json.unfinished"), JSON.stringify(alive), { mode: 0o600 });
  fs.renameSync(at("alive.json.unfinished"), at("alive.json"));
}

/** One turn. @returns whether this guard is still needed */
async function turn(): Promise<boolean> {
  if (!fs.existsSync(at("lock"))) return false;
  attempt(() => fs.utimesSync(at("alive.json"), new Date(), new Date()));
  boundLogs();
  const plan = readPlan();
  if (plan === null) return true;
  const leftMs = leaseLeftMs();
  if (isFencing !== leftMs <= 0) log(isFencing ? "guard.lease_held" : "guard.lease_lost");
  isFencing = leftMs <= 0;
  const found = leftMs > 0 ? await observe(plan) : await fence(plan);
  const hasAgent = keepAgent(plan);
  if (mode === undefined || hasAgent) return true;
  return plan.stopped !== "end" && (found !== 0 || leftMs > -leaveAfterMs);
}

fs.mkdirSync(join(stateDir, "guard"), { recursive: true, mode: 0o700 });
let lock = takeLock();
for (; lock === null; lock = takeLock()) {
  if (mode !== undefined) process.exit(notNeeded);
  await pause(turnMs);
}
writeAlive();
log("guard.started", { pid: process.pid });
for (let isNeeded = true; isNeeded; ) {
  isNeeded = await turn().catch((error: unknown) => {
    log("guard.failed", { error: String(error) });
    return true;
  });
  if (isNeeded) await pause(Math.min(turnMs, Math.max(leaseLeftMs(), 0) || turnMs));
}
log("guard.ended");
lock.close();
