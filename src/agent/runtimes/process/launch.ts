import { spawn } from "node:child_process";
import { once } from "node:events";

/** The kept lease (src/agent/control-plane/lease-file.ts), which the shell of a backend with a key watches. */
export interface WatchedLease {
  path: string;
  /** The boot that the backend is started in. */
  boot: string;
}

/**
 * Makes a shell function that succeeds while the lease is held, by the kernel's clock since boot; a second look is for a
 * line that was just being replaced. Its body is a process of its own, so that none of its variables reaches the command.
 */
function holdsKey({ path, boot }: WatchedLease): string {
  return `looks_held() (
  read -r format kept sent end again more <${quoted(path)} && read -r up _ </proc/uptime || exit
  [ "$format $kept $end" = ${quoted(`1 ${boot} `)}"$again" ] && [ "\${up%.*}\${up#*.}" -lt "$end" ]
)
holds_key() { looks_held || looks_held; }`;
}

/** Between two looks at the lease: bounds how late it is noticed that it ran out while the machine slept. */
const lookEverySeconds = 1;

/**
 * What a shell does before it starts the command of a backend with a key: nothing more without the lease; and with it, it
 * leaves a process that kills the whole group when the lease has run out, whatever became of the agent and its guard. It
 * ignores the signals of a soft end.
 */
function watch(lease: WatchedLease): string {
  return `${holdsKey(lease)}
holds_key || exit
( trap '' HUP INT QUIT USR1 USR2 ALRM PIPE TERM
  while holds_key; do /bin/sleep ${lookEverySeconds} || sleep ${lookEverySeconds} || exit; done
  echo >"$0/killed"
  kill -s KILL 0 ) 2>/dev/null &
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * What runs a backend: a shell that leads its process group and outlives the agent, so that the exit code of the
 * backend's command is taken whenever that ends. `$0` is the backend's folder, `"$@"` the command.
 *
 * It starts nothing before it is sent a line: if the agent ends before it has written down what it started, the shell
 * reads the end of the input instead. The traps keep the shell alive when a signal goes to the whole group; they are
 * not inherited. `output` is there as soon as the subshell can be ended by a signal. The exit code is written over what is
 * in its place, which takes no room on a full disk, and counts once its line end is written. The last line ends what the
 * command has left behind, and the shell itself.
 */
function script(carriers: readonly string[], lease: WatchedLease | null): string {
  const unpack = carriers.map((name) => `set -- "$${name}" "$@"; unset ${name}; `).join("");
  const command = carriers.length === 0 ? '"$@"' : '/usr/bin/env "$@"';
  return `read -r SLIPWAY_GO || exit
trap : HUP INT QUIT USR1 USR2 ALRM PIPE TERM
${lease === null ? "" : watch(lease)}( exec </dev/null >>"$0/output" 2>&1; ${unpack}exec ${command} )
printf '%03d\\n' "$?" 1<>"$0/exit"
kill -s KILL 0`;
}

/** Variables that some shell drops as invalid names, sets or reads itself, or treats as read-only. */
const notForShells =
  /^(?![A-Za-z_]\w*$)|^(?:_|PWD|OLDPWD|SHLVL|UID|EUID|PPID|IFS|ENV|OPTIND|SHELLOPTS|BASH.*|LINENO|SLIPWAY_GO)$/;

/** An environment for the shell, and the names of those variables in it that carry one that no shell is to see. */
function shellEnvironment(env: Readonly<Record<string, string>>) {
  const held: Record<string, string> = {};
  const carriers: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!notForShells.test(name)) {
      held[name] = value;
      continue;
    }
    const carrier = `SLIPWAY_ENV_${carriers.length}`;
    carriers.push(carrier);
    held[carrier] = `${name}=${value}`;
  }
  return { held, carriers };
}

export interface Launch {
  /** Where `output` and `exit` are written. */
  folder: string;
  /** A program's path and its arguments. */
  command: readonly [string, ...string[]];
  cwd: string;
  /** All that the command gets, and exactly that. */
  env: Readonly<Record<string, string>>;
  /** Of a backend with a key, where the shell is to watch the lease. */
  lease: WatchedLease | null;
}

/** A shell that has not started its command yet. */
export interface HeldShell {
  pid: number;
  /** Resolves when the shell has ended. */
  ended: Promise<void>;
  /** Lets it start the command. */
  release(): void;
  /** Lets it end without having started anything. */
  drop(): void;
}

/** Rejects where the shell cannot be started. */
export async function holdShell({ folder, command, cwd, env, lease }: Launch): Promise<HeldShell> {
  const { held, carriers } = shellEnvironment(env);
  const shell = spawn("/bin/sh", ["-c", script(carriers, lease), folder, ...command], {
    cwd,
    env: held,
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = new Promise<void>((resolve) => shell.once("exit", () => resolve()));
  await once(shell, "spawn");
  // EPIPE where it was killed first.
  shell.stdin.on("error", () => undefined);
  shell.unref();
  if (shell.pid === undefined) throw new Error("the shell has no process id");
  return {
    pid: shell.pid,
    ended,
    release: () => shell.stdin.end("\n"),
    drop: () => shell.stdin.destroy(),
  };
}
