/** The process that leads a backend's process group, whose id is the group's too. */
export interface Leader {
  pid: number;
  /** Distinguishes the process from every other that had its id or will have it, after a reboot too. */
  identity: string;
}

/** What the processes of a group use: its processor time grows as long as the group runs. */
export interface GroupUsage {
  cpuMs: number;
  memoryBytes: number;
}

/** The processes of this machine, of which a zombie counts as ended. Throws or rejects where they cannot be read. */
export interface ProcessTable {
  /** The identity of the process that has an id now; null where none has it. */
  identify(pid: number): Promise<string | null>;
  /** Whether a leader that was seen to run not long ago still does. Cheap enough for many calls a second. */
  isRunning(leader: Leader): boolean;
  /** Whether what is in the group of an ended leader is its own: no other process has been given its id since. */
  isOwnGroup(ended: Leader): boolean;
  /** Null where nothing of the group runs. */
  usageOf(group: number): Promise<GroupUsage | null>;
}

/** @returns whether there was something in the group, if only a zombie */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    // ESRCH: nothing is left of it. EPERM: nothing that this user may signal, which includes macOS's zombies.
    return false;
  }
}
