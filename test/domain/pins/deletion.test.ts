import { describe, expect, test } from "vitest";
import {
  checkImageDeletion,
  checkTagDeletion,
  type DeletionSnapshot,
} from "../../../src/domain/pins/deletion.ts";

const digest1 = `sha256:${"1".repeat(64)}`;

function snapshot(extra: Partial<DeletionSnapshot> = {}): DeletionSnapshot {
  return { resolving: [], backends: [], returning: [], candidateIn: [], changes: [], ...extra };
}

function refusal(state: DeletionSnapshot): string {
  const checked = checkImageDeletion(digest1, state);
  if (checked.ok) throw new Error("this should have been refused");
  expect(checked.error.code).toBe("image_in_use");
  return checked.error.message;
}

describe("an image", () => {
  test("that nothing needs may be deleted", () => {
    expect(checkImageDeletion(digest1, snapshot())).toEqual({ ok: true, value: null });
  });

  test("that environments resolve to stays, by tag or by digest, and the refusal names them all", () => {
    expect(refusal(snapshot({ resolving: ["prod", "staging"] }))).toBe(
      `image \`${digest1}\` cannot be deleted: environment \`prod\`, \`staging\` resolves to it`,
    );
  });

  test("that live backends run stays, and the refusal names five of them", () => {
    const backends = ["a", "b", "c", "d", "e", "f"];
    expect(refusal(snapshot({ backends }))).toBe(
      `image \`${digest1}\` cannot be deleted: 6 live backends run it, among them \`a\`, \`b\`, \`c\`, \`d\`, \`e\``,
    );
  });

  test("that an environment may be returned to stays, and the refusal names its revision", () => {
    const returning = [{ environment: "prod", revision: 6 }];
    expect(refusal(snapshot({ returning }))).toBe(
      `image \`${digest1}\` cannot be deleted: revision 6 of environment \`prod\` resolved to it`,
    );
  });

  test("that was held back from environments stays, and the refusal names them", () => {
    expect(refusal(snapshot({ candidateIn: ["prod", "qa"] }))).toBe(
      `image \`${digest1}\` cannot be deleted: it waits to be promoted into environment \`prod\`, \`qa\``,
    );
  });

  test("that a change which waits for approval would bring in stays, and the refusal names that", () => {
    expect(refusal(snapshot({ changes: ["c1"] }))).toBe(
      `image \`${digest1}\` cannot be deleted: change \`c1\` waits to bring it in`,
    );
  });

  test("is refused for what runs or resolves to it now before what once did", () => {
    const returning = [{ environment: "prod", revision: 1 }];
    expect(refusal(snapshot({ returning, backends: ["a"] }))).toContain("1 live backends run it");
    expect(refusal(snapshot({ returning, resolving: ["qa"], backends: ["a"] }))).toContain(
      "environment `qa` resolves to it",
    );
  });
});

describe("a tag", () => {
  test("that environments follow stays, and the refusal names them all", () => {
    expect(checkTagDeletion("v1", ["prod", "staging"])).toEqual({
      ok: false,
      error: {
        code: "image_in_use",
        message: "tag `v1` cannot be deleted: environment `prod`, `staging` follows it",
      },
    });
  });

  test("that no environment follows may be deleted", () => {
    expect(checkTagDeletion("v1", [])).toEqual({ ok: true, value: null });
  });
});
