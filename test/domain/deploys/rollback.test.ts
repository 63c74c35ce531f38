import { describe, expect, test } from "vitest";
import { chooseRollback, type RollbackSnapshot } from "../../../src/domain/deploys/rollback.ts";

type Past = { revision: number; digest: string | null };

/** Revisions 1 to 5, the last of which is what runs: of the digests a, none, b, c and d. */
const revisions: Past[] = [
  { revision: 5, digest: "d" },
  { revision: 4, digest: "c" },
  { revision: 3, digest: "b" },
  { revision: 2, digest: null },
  { revision: 1, digest: "a" },
];

function snapshot(extra: Partial<RollbackSnapshot<Past>> = {}): RollbackSnapshot<Past> {
  return {
    environment: "prod",
    digest: "d",
    revisions,
    isRejected: () => false,
    isVerified: () => true,
    ...extra,
  };
}

describe("a rollback", () => {
  test("to the previous goes to the digest before", () => {
    expect(chooseRollback("previous", snapshot())).toEqual({ ok: true, value: { revision: 4, digest: "c" } });
  });

  test("passes over what runs now, however often it was pinned, and over what was rejected", () => {
    const again = [{ revision: 7, digest: "d" }, { revision: 6, digest: "d" }, ...revisions];
    const isRejected = (digest: string) => digest === "c";
    expect(chooseRollback("previous", snapshot({ revisions: again, isRejected }))).toEqual({
      ok: true,
      value: { revision: 3, digest: "b" },
    });
  });

  test("passes over what resolved to nothing", () => {
    const isRejected = (digest: string) => digest === "c" || digest === "b";
    expect(chooseRollback("previous", snapshot({ isRejected }))).toMatchObject({ value: { revision: 1 } });
  });

  test("to what was verified asks of each with its digest", () => {
    const asked: Past[] = [];
    const isVerified = (past: Past) => {
      asked.push(past);
      return past.revision === 3;
    };
    expect(chooseRollback("verified", snapshot({ isVerified }))).toMatchObject({
      value: { revision: 3, digest: "b" },
    });
    expect(asked.map(({ revision }) => revision)).toEqual([4, 3]);
  });

  test("to a revision goes there, also to what was rejected: that is judged elsewhere", () => {
    expect(chooseRollback(3, snapshot({ isRejected: () => true, isVerified: () => false }))).toEqual({
      ok: true,
      value: { revision: 3, digest: "b" },
    });
    expect(chooseRollback(5, snapshot())).toMatchObject({ value: { digest: "d" } });
  });

  test.each([
    [2, "revision 2 of environment `prod` resolved to nothing"],
    [9, "environment `prod` has no revision 9 any more, or never had"],
  ])("to revision %d is refused", (to, message) => {
    expect(chooseRollback(to, snapshot())).toEqual({ ok: false, error: { code: "bad_request", message } });
  });

  test("reads no further than it has to", () => {
    function* read(): Iterable<Past> {
      yield* revisions.slice(0, 3);
      throw new Error("it was read too far");
    }
    expect(chooseRollback(4, snapshot({ revisions: read() }))).toMatchObject({ ok: true });
    const holed = function* () {
      yield { revision: 5, digest: "d" };
      yield { revision: 3, digest: "b" };
      throw new Error("it was read too far");
    };
    expect(chooseRollback(4, snapshot({ revisions: holed() }))).toMatchObject({ ok: false });
  });

  test.each([
    ["previous", "earlier digest"],
    ["verified", "earlier digest that was verified"],
  ] as const)("to %s is refused where there is none", (to, what) => {
    expect(chooseRollback(to, snapshot({ isRejected: () => true }))).toEqual({
      ok: false,
      error: {
        code: "bad_request",
        message: `environment \`prod\` has no ${what} to go back to that was not rejected; its history shows the revisions that there are`,
      },
    });
  });
});
