import { describe, expect, test } from "vitest";
import { checkDeletedServices, judgeDeletedService } from "../../src/domain/deleted-services.ts";
import {
  deletedServicesMax,
  deletedServicesKeptMs as keptMs,
  deletedServicesSeenEveryMs as seenEveryMs,
} from "../../src/domain/limits.ts";

const now = 1_000 * keptMs;

describe("a deleted service", () => {
  test.for([
    [
      "is looked at again while something of it lives",
      false,
      null,
      { emptySince: null, lookAt: now + seenEveryMs },
    ],
    [
      "counts anew where something of it lives after all",
      false,
      now - 9 * keptMs,
      { emptySince: null, lookAt: now + seenEveryMs },
    ],
    [
      "is kept from when nothing of it was seen to live",
      true,
      null,
      { emptySince: now, lookAt: now + keptMs },
    ],
    ["is kept for its whole time", true, now - keptMs + 1, { emptySince: now - keptMs + 1, lookAt: now + 1 }],
    ["may be forgotten after that", true, now - keptMs, null],
  ] as const)("%s", ([, isEmpty, emptySince, judged]) => {
    expect(judgeDeletedService({ isEmpty, emptySince }, now)).toEqual(judged);
  });
});

test("with too many deleted services none of a new name is created, saying how many there are", () => {
  expect(checkDeletedServices(deletedServicesMax - 1).ok).toBe(true);
  expect(checkDeletedServices(deletedServicesMax)).toMatchObject({
    error: { code: "quota_exceeded", details: { used: deletedServicesMax, limit: deletedServicesMax } },
  });
});
