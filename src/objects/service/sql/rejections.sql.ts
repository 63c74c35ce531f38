import type { Database } from "../../database.ts";

export type RejectionRow = {
  seq: number;
  environment: number;
  digest: string;
  note: string | null;
  token_id: string;
  token_name: string;
  at: number;
};

/** The digests that environments were rolled back from; their table is made with those of `deploys.sql.ts`. */
export function rejectionsReads(db: Pick<Database, "all" | "first">) {
  return {
    rejection: (environment: number, digest: string) =>
      db.first<RejectionRow>(
        "SELECT * FROM rejections WHERE environment = ? AND digest = ?",
        environment,
        digest,
      ),
    rejectedDigests: (environment: number) =>
      db.all<Pick<RejectionRow, "digest">>(
        "SELECT digest FROM rejections WHERE environment = ?",
        environment,
      ),
    /** Newest first. */
    rejectionsOf: (environment: number) =>
      db.all<RejectionRow>("SELECT * FROM rejections WHERE environment = ? ORDER BY seq DESC", environment),
  };
}
export type RejectionsReads = ReturnType<typeof rejectionsReads>;

/** The writes of the same. @param db which digests are rejected is kept in memory: its watchers drop that */
export function rejectionsWrites(db: Pick<Database, "run">) {
  return {
    /** @param kept how many of the environment's newest stay, with this one */
    putRejection: (row: Omit<RejectionRow, "seq">, kept: number) => {
      db.run("DELETE FROM rejections WHERE environment = ? AND digest = ?", row.environment, row.digest);
      db.run(
        `INSERT INTO rejections (environment, digest, note, token_id, token_name, at) VALUES (?, ?, ?, ?, ?, ?)`,
        row.environment,
        row.digest,
        row.note,
        row.token_id,
        row.token_name,
        row.at,
      );
      db.run(
        `DELETE FROM rejections WHERE environment = ?1 AND seq <= (
           SELECT seq FROM rejections WHERE environment = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
        row.environment,
        kept,
      );
    },
    deleteRejection: (environment: number, digest: string) =>
      db.run("DELETE FROM rejections WHERE environment = ? AND digest = ?", environment, digest),
    forgetRejections: (environment: number) =>
      db.run("DELETE FROM rejections WHERE environment = ?", environment),
  };
}
export type RejectionsWrites = ReturnType<typeof rejectionsWrites>;
