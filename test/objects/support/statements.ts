import type { Database } from "../../../src/objects/database.ts";

/** A statement that a function has run. */
export interface Statement {
  /** Of the function. */
  name: string;
  sql: string;
}

/** Stands for whatever a function is given: any field, item or answer of it is another one. */
const anything: object = new Proxy(() => anything, {
  apply: () => anything,
  get(_, field) {
    if (field === Symbol.toPrimitive) return () => 1;
    if (field === Symbol.iterator) return () => [anything, anything][Symbol.iterator]();
    return anything;
  },
});

/** What functions are given that put a part of it into their statement: the names of tables. */
const tables: Record<string, readonly unknown[][]> = {
  tagOrder: [
    ["v1", "tags"],
    ["v1", "artifact_tags"],
  ],
  tagCountOf: [
    ["sha256:1", "tags"],
    ["sha256:1", "artifact_tags"],
  ],
  firstTagsOf: [
    ["sha256:1", 1, "tags"],
    ["sha256:1", 1, "artifact_tags"],
  ],
};

/** Everything, and of each parameter nothing in turn: some put other words into their statement then. */
function argumentsOf(name: string, count: number): readonly unknown[][] {
  const given = tables[name];
  if (given) return given;
  const all: unknown[] = Array.from({ length: count }, () => anything);
  return [all, ...all.map((_, place) => all.with(place, null))];
}

/** Runs every function that a module with SQL makes, on a database that notes what it is to run and has no rows. */
export function statementsOf(module: Record<string, unknown>): Statement[] {
  const noted: Statement[] = [];
  let name = "";
  const note = (sql: string) => noted.push({ name, sql });
  const database: Pick<Database, "all" | "first" | "run" | "transaction" | "ready" | "watched"> = {
    ready: true,
    all: (sql) => {
      note(sql);
      return [];
    },
    first: (sql) => {
      note(sql);
      return undefined;
    },
    run: (sql) => {
      note(sql);
      return true;
    },
    transaction: (action) => action(),
    watched: () => database,
  };

  function callAll(made: unknown, called: string): void {
    if (Array.isArray(made)) for (const one of made) callAll(one, called);
    else if (typeof made === "object" && made !== null) {
      for (const [field, value] of Object.entries(made)) callAll(value, field);
    } else if (isFunction(made)) {
      for (const values of argumentsOf(called, made.length)) {
        name = called;
        callOne(made, values);
      }
    }
  }

  for (const [field, make] of Object.entries(module)) {
    if (isFunction(make)) callAll(make(database, anything, anything), field);
  }
  return noted;
}

/** It may fail on what it is given: what it has run until then counts, and `literalsOf` shows what it has not. */
function callOne(made: (...values: unknown[]) => unknown, values: readonly unknown[]): void {
  try {
    made(...values);
  } catch {
    return;
  }
}

function isFunction(value: unknown): value is (...values: unknown[]) => unknown {
  return typeof value === "function";
}

const statement = "SELECT|INSERT|UPDATE|DELETE|WITH";

/** The texts in a module's source that are statements, with anything where something is put into them. */
export function literalsOf(source: string): RegExp[] {
  const hole = "\0";
  const flat = source
    .replace(/\bsql: (`[^`]*`|"[^"]*")/g, "") // migrations
    .replace(/\$\{[^`{}]*\}/g, hole)
    .replace(/\$\{[^`{}]*`[^`]*`[^`{}]*\}/g, hole);
  const texts = flat.matchAll(
    new RegExp(`\`\\s*((?:${statement}) [^\`]*)\`|"((?:${statement}) [^"]*)"`, "g"),
  );
  return Array.from(texts, ([, template, plain]) => template ?? plain ?? "").flatMap((text) => {
    // Several of them are a part of a migration.
    if (text.includes(";")) return [];
    const parts = text.split(hole);
    return new RegExp(`^\\s*${parts.map(escaped).join("[^]*")}$`);
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
