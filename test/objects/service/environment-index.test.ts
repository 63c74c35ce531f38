import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect } from "vitest";
import type { DeploysWrites } from "../../../src/objects/service/sql/deploys.sql.ts";
import type { EnvironmentRow, ServiceWrites } from "../../../src/objects/service/sql/service.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { afterWrite, writeAndCompare } from "../support/index-steps.ts";
import { test } from "../support/object-test.ts";
import { digestNumber } from "../support/service.ts";

type EnvironmentStatement =
  | Extract<keyof ServiceWrites, `${string}Environment`>
  | Extract<keyof DeploysWrites, "setStopped">
  | "setPin"
  | "removeService";
type Statement = Exclude<EnvironmentStatement, "setDefaultEnvironment"> | "noteSpawn";

const names = ["a", "b", "c", "d"];
const images = ["latest", "v1", digestNumber(1)];

function rowOf(state: ServiceState, name: string): EnvironmentRow | undefined {
  return state.sql.environmentsNamed([name])[0];
}

/** Every statement that writes environments, on one of a few. */
const statements: Record<Statement, (state: ServiceState, name: string, n: number) => unknown> = {
  insertEnvironment: (state, name, n) =>
    rowOf(state, name) ??
    state.sql.insertEnvironment({
      name,
      cluster: null,
      settings: "{}",
      image: images[n % 3] ?? "",
      revision: n,
      created_at: n,
      digest: n % 4 === 0 ? null : digestNumber(n % 3),
      moved_at: n,
      registry_host: "",
      stay: n,
      since: n,
    }),
  setStopped: ({ sql }, name, n) => sql.setStopped(name, n % 2 ? `{"reason":"${n}"}` : null),
  updateEnvironment: ({ sql }, name, n) =>
    sql.updateEnvironment({ name, cluster: n % 2 ? "main" : null, settings: `{"n":${n}}` }),
  setPin: (state, name, n) => {
    const row = rowOf(state, name);
    const digest = digestNumber(n % 3);
    if (row)
      state.sql.setPin({
        ...row,
        image: images[n % 3] ?? "",
        digest,
        revision: n,
        moved_at: n,
        registry_host: "r",
      });
  },
  deleteEnvironment: (state, name) => {
    const row = rowOf(state, name);
    if (row) state.sql.deleteEnvironment(row);
  },
  removeService: ({ sql }, _, n) => sql.removeService(n),
  noteSpawn: ({ sql }, name, n) => sql.noteSpawn(name, n),
};

const all = Object.keys(statements).filter((name): name is Statement => name in statements);
const step = fc.record({
  statement: fc.constantFrom<Statement>("insertEnvironment", "insertEnvironment", "setPin", ...all),
  name: fc.constantFrom(...names),
  after: afterWrite,
});

test("the index of environments is what the table has, whatever writes it, and whatever is rolled back", async ({
  pinned: hello,
}) => {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        storage.sql.exec("DELETE FROM environments").toArray();
        const state = new ServiceState(storage);
        steps.forEach(({ statement, name, after }, n) => {
          writeAndCompare(
            state,
            after,
            () => statements[statement](state, name, n + 1),
            () => compare(state),
          );
        });
      }),
      { numRuns: 60 },
    );
  });
});

function compare({ environments, sql }: ServiceState): void {
  const rows = sql.environments();
  expect(environments.all()).toEqual(rows);
  for (const name of names) {
    const row = rows.find((one) => one.name === name);
    expect(environments.get(name)).toEqual(row);
    if (row) expect(environments.withSeq(row.seq)).toEqual(row);
  }
  for (const image of images)
    expect(environments.on(image)).toEqual(rows.filter((row) => row.image === image));
  for (const n of [0, 1, 2]) {
    const digest = digestNumber(n);
    expect(environments.resolvingTo(digest)).toEqual(rows.filter((row) => row.digest === digest));
  }
  const [first] = rows;
  const last = rows.at(-1);
  if (!first || !last) return;
  const between = rows.filter(({ seq }) => seq > first.seq && seq < last.seq);
  expect(environments.reached(undefined, { above: first.seq, below: last.seq })).toEqual(between);
  const narrowed = ["d", "a", "a", "missing"];
  expect(environments.reached(narrowed)).toEqual(rows.filter(({ name }) => narrowed.includes(name)));
}
