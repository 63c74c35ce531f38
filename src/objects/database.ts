/** One step of an object's schema. Steps are only ever appended; an applied one is never edited. */
export interface Migration {
  name: string;
  sql: string;
}

type Value = string | number | null | ArrayBuffer;

/**
 * Named access to an object's SQLite. Each call consumes its cursor, since an unread `… RETURNING` loses its
 * write at commit.
 */
export class Database {
  readonly #storage: DurableObjectStorage;
  readonly #migrations: readonly Migration[];
  readonly #watchers: (() => void)[] = [];
  readonly #beginnings: (() => void)[] = [];
  #isInTransaction = false;
  #ready: boolean;

  constructor(storage: DurableObjectStorage, migrations: readonly Migration[]) {
    this.#storage = storage;
    this.#migrations = migrations;
    this.#ready = this.first("SELECT 1 FROM sqlite_master WHERE name = 'migrations'") !== undefined;
    if (this.#ready) this.migrate();
  }

  /** Whether the object was ever set up. Until then nothing may be written, so that a question creates nothing. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Brings the schema up to date. Throws if what was applied is not a prefix of what is known. */
  migrate(): void {
    this.transaction(() => {
      this.run("CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
      const applied = this.all<{ name: string }>("SELECT name FROM migrations ORDER BY id");
      applied.forEach(({ name }, i) => {
        if (this.#migrations[i]?.name !== name) {
          throw new Error(`migration ${i + 1} was applied as "${name}", which this version does not know`);
        }
      });
      for (const migration of this.#migrations.slice(applied.length)) {
        this.run(migration.sql);
        this.run("INSERT INTO migrations (name) VALUES (?)", migration.name);
      }
    });
    this.#ready = true;
  }

  /** Gives all storage back, and the alarm: the object is as one that was never set up. What is in memory of it must go too. */
  async clear(): Promise<void> {
    this.#ready = false;
    // The alarm first: noting that it is gone is a row too.
    await Promise.all([this.#storage.deleteAlarm(), this.#storage.deleteAll()]);
  }

  /** Runs `action` atomically: it is rolled back when it throws. It must not be async. */
  transaction<T>(action: () => T): T {
    const isOuter = !this.#isInTransaction;
    if (isOuter) for (const begun of this.#beginnings) begun();
    this.#isInTransaction = true;
    try {
      return this.#storage.transactionSync(action);
    } catch (error) {
      for (const changed of this.#watchers) changed();
      throw error;
    } finally {
      if (isOuter) this.#isInTransaction = false;
    }
  }

  all<Row extends Record<string, Value>>(sql: string, ...values: Value[]): Row[] {
    return this.#storage.sql.exec<Row>(sql, ...values).toArray();
  }

  first<Row extends Record<string, Value>>(sql: string, ...values: Value[]): Row | undefined {
    return this.all<Row>(sql, ...values)[0];
  }

  /**
   * The same database, with `changed` called at every write and when a transaction is rolled back, so that what was
   * read through it can be kept until then.
   */
  watched(changed: () => void): Pick<Database, "all" | "first" | "run" | "transaction"> {
    this.#watchers.push(changed);
    return {
      transaction: (action) => this.transaction(action),
      all: (sql, ...values) => this.all(sql, ...values),
      first: (sql, ...values) => this.first(sql, ...values),
      run: (sql, ...values) => {
        changed();
        return this.run(sql, ...values);
      },
    };
  }

  /** Has `begun` called before a transaction that is in no other, and `rolledBack` when any is rolled back. */
  onTransaction({ begun, rolledBack }: { begun(): void; rolledBack(): void }): void {
    this.#beginnings.push(begun);
    this.#watchers.push(rolledBack);
  }

  /** @returns whether any row was changed */
  run(sql: string, ...values: Value[]): boolean {
    const cursor = this.#storage.sql.exec(sql, ...values);
    cursor.toArray();
    return cursor.rowsWritten > 0;
  }
}
