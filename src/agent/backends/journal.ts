import { randomUUID } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { StatusEntry } from "../../domain/backends/status.ts";
import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";
import type { KeptLease } from "../control-plane/lease.ts";
import { messageOf } from "../log.ts";
import {
  journalMigrations,
  journalSql,
  prepareSchema,
  schemaVersion,
  takeAlone,
  transaction,
} from "./journal.sql.ts";

/** The owner of the journal: a journal of one cluster's agent must not be used by another's. */
export interface JournalOwner {
  account: string;
  cluster: string;
  /** The agent's id; by default one that the journal generates. */
  agentId?: string | undefined;
}

/** A backend that runs, or whose end Slipway has not acknowledged yet. */
export interface JournaledBackend {
  spawn: SpawnWebhookData;
  history: StatusEntry[];
  /** How many entries of its history Slipway has. */
  acknowledged: number;
  /** Why it never started, where it did not. */
  failure: string | null;
}

/** A backend whose end is all that is still known of it. */
export interface JournaledEnd {
  /** False where its end came before its spawn. */
  wasSpawned: boolean;
  failure: string | null;
}

/** What an agent keeps beyond the end of its process, a crash included. A method throws where the disk fails. */
export interface Journal {
  /** The same at every start over one folder, unless the owner gives another. */
  agentId: string;
  backends(): JournaledBackend[];
  /** Slipway has the first entry: it wrote it when it decided the spawn. */
  addBackend(spawn: SpawnWebhookData, history: readonly StatusEntry[]): void;
  setHistory(backendId: string, history: readonly StatusEntry[], failure: string | null): void;
  setAcknowledged(backendId: string, entries: number): void;
  /** Forgets a backend, its secrets included, but for its end. @param at milliseconds since the epoch */
  addEnd(backendId: string, end: JournaledEnd, at: number): void;
  ended(backendId: string): JournaledEnd | null;
  /** @returns whose ends were forgotten */
  forgetEndsBefore(at: number): string[];
  /** What a version wrote that kept the lease here, and not in a file of its own. */
  lease(): KeptLease | null;
  close(): void;
}

const fileName = "agent.db";

/**
 * Opens the journal in a folder, made where there is none; it belongs to this process until it is closed. Throws, with
 * the folder in the message, while another agent uses it, and where it is another cluster's, a newer version's or
 * unreadable: it is left as it is then.
 */
export function openJournal(stateDir: string, owner: JournalOwner): Journal {
  try {
    return openIn(stateDir, owner);
  } catch (error) {
    throw new Error(`the agent's journal in ${stateDir} cannot be used: ${problemOf(error)}`, {
      cause: error,
    });
  }
}

function openIn(stateDir: string, owner: JournalOwner): Journal {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, fileName);
  makePrivate(path);
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    return journalOver(db, owner);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Spawns hold secrets: only the owner may read them. SQLite gives its log file the same mode. */
function makePrivate(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}

function journalOver(db: DatabaseSync, { account, cluster, agentId }: JournalOwner): Journal {
  takeAlone(db);
  if (schemaVersion(db) > journalMigrations.length) {
    throw new Error("a newer version has written it; start that version, or give another folder");
  }
  prepareSchema(db);
  const sql = journalSql(db);
  const kept = sql.agent();
  if (kept && (kept.account !== account || kept.cluster !== cluster)) {
    throw new Error(`it is that of \`${kept.account}/${kept.cluster}\`, not of \`${account}/${cluster}\``);
  }
  const agent = kept ?? { agent_id: agentId ?? randomUUID(), account, cluster };
  if (!kept) sql.putAgent(agent);
  // Read all rows now, so that an unreadable one fails the start and not a later use.
  sql.backends();
  sql.lease();

  return {
    agentId: agentId ?? agent.agent_id,
    backends: () => sql.backends().map(({ data, ...life }) => ({ spawn: data, ...life })),
    addBackend: (spawn, history) =>
      transaction(db, () => {
        sql.insertSpawn(spawn.backend_id, JSON.stringify(spawn));
        sql.insertLife(spawn.backend_id, JSON.stringify(history), 1);
      }),
    setHistory: (backendId, history, failure) => sql.setHistory(backendId, JSON.stringify(history), failure),
    setAcknowledged: sql.setAcknowledged,
    addEnd: (backendId, { wasSpawned, failure }, at) =>
      transaction(db, () => {
        sql.deleteBackend(backendId);
        sql.insertEnded(backendId, at, wasSpawned, failure);
      }),
    ended: (backendId) => {
      const row = sql.ended(backendId);
      return row ? { wasSpawned: row.was_spawned === 1, failure: row.failure } : null;
    },
    forgetEndsBefore: sql.deleteEndedBefore,
    lease: () => {
      const row = sql.lease();
      return row ? { boot: row.boot, sentAtMs: row.sent_at_ms, forMs: row.for_ms } : null;
    },
    close: () => {
      if (db.isOpen) db.close();
    },
  };
}

const sqliteBusy = 5;

function problemOf(error: unknown): string {
  const isBusy = error instanceof Error && "errcode" in error && error.errcode === sqliteBusy;
  return isBusy ? "another agent that runs is using it" : messageOf(error);
}
