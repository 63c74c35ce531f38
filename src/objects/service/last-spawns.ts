import type { EnvironmentIndex } from "./environment-index.ts";
import type { LiveBackends } from "./live-backends.ts";
import type { EnvironmentRow } from "./sql/service.sql.ts";

/** When environments were last spawned into. It is written some time after the spawn; until then their backends say. */
export class LastSpawns {
  readonly #environments: Pick<EnvironmentIndex, "all" | "changes">;
  readonly #backends: Pick<LiveBackends, "lastSpawnIn" | "newestSpawnAt">;
  /** The last one of all, as of a state of the environments, and of the newest spawn then. */
  #last: { changes: number; newest: number; at: number } | null = null;

  constructor(
    environments: Pick<EnvironmentIndex, "all" | "changes">,
    backends: Pick<LiveBackends, "lastSpawnIn" | "newestSpawnAt">,
  ) {
    this.#environments = environments;
    this.#backends = backends;
  }

  /** Into one, in milliseconds since the epoch, as all times here; null: never. */
  into(row: EnvironmentRow): number | null {
    const ofKept = this.#backends.lastSpawnIn(row.name) ?? 0;
    // A backend of an environment of the same name that was deleted does not count.
    const at = Math.max(row.last_spawned_at ?? 0, ofKept >= row.created_at ? ofKept : 0);
    return at === 0 ? null : at;
  }

  /** Into any of these. */
  intoAnyOf(rows: readonly EnvironmentRow[]): number | null {
    const at = rows.reduce((last, row) => Math.max(last, this.into(row) ?? 0), 0);
    return at === 0 ? null : at;
  }

  /** Into any at all. It is looked for in each of them where one has changed: from then on the newest spawn says it. */
  intoAny(): number | null {
    const rows = this.#environments.all();
    const { changes } = this.#environments;
    const newest = this.#backends.newestSpawnAt();
    if (this.#last?.changes !== changes) {
      this.#last = { changes, newest, at: this.intoAnyOf(rows) ?? 0 };
    } else if (newest !== this.#last.newest) {
      this.#last = { changes, newest, at: Math.max(this.#last.at, newest) };
    }
    return this.#last.at === 0 ? null : this.#last.at;
  }
}
