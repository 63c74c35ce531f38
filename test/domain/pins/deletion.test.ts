import { describe, expect, test } from "vitest";
import {
  checkImageDeletion,
  checkTagDeletion,
  type DeletionSnapshot,
} from "../../../src/domain/pins/deletion.ts";
import type { PinHistory } from "../../../src/domain/pins/pin.ts";

const digest1 = `sha256:${"1".repeat(64)}`;
const digest2 = `sha256:${"2".repeat(64)}`;

function pinned(environment: string, image: string, revisions: PinHistory["revisions"] = []): PinHistory {
  const tags: Record<string, string> = { latest: digest2, v1: digest1 };
  return { environment, digest: tags[image] ?? image, revisions };
}

function snapshot(extra: Partial<DeletionSnapshot> = {}): DeletionSnapshot {
  return {
    pins: [pinned("default", "latest")],
    backends: [],
    ...extra,
  };
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
    const pins = [pinned("default", "latest"), pinned("prod", "v1"), pinned("staging", digest1)];
    expect(refusal(snapshot({ pins }))).toBe(
      `image \`${digest1}\` cannot be deleted: environment \`prod\`, \`staging\` resolves to it`,
    );
  });

  test("that live backends run stays, and the refusal names five of them", () => {
    const backends = ["a", "b", "c", "d", "e", "f"];
    expect(refusal(snapshot({ backends }))).toBe(
      `image \`${digest1}\` cannot be deleted: 6 live backends run it, among them \`a\`, \`b\`, \`c\`, \`d\`, \`e\``,
    );
  });

  test("that one of the last revisions resolved to stays, and the refusal names the oldest environment's newest", () => {
    const revisions = [
      { revision: 7, digest: digest2 },
      { revision: 6, digest: digest1 },
      { revision: 5, digest: digest1 },
    ];
    const pins = [
      pinned("default", "latest"),
      pinned("prod", "latest", revisions),
      pinned("qa", "latest", revisions),
    ];
    expect(refusal(snapshot({ pins }))).toBe(
      `image \`${digest1}\` cannot be deleted: revision 6 of environment \`prod\` resolved to it`,
    );
  });

  test("is refused for what runs or resolves to it now before what once did", () => {
    const pins = [pinned("prod", "latest", [{ revision: 1, digest: digest1 }])];
    expect(refusal(snapshot({ pins, backends: ["a"] }))).toContain("1 live backends run it");
    expect(refusal(snapshot({ pins: [...pins, pinned("qa", "v1")], backends: ["a"] }))).toContain(
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
