import { expect, test } from "vitest";
import { sentenceOf } from "../../src/edge/sentence.ts";

test("a message is shown as a sentence, with one full stop", () => {
  expect(sentenceOf("the cluster has no such backend")).toBe("The cluster has no such backend.");
  expect(sentenceOf("the cluster could not be reached: Network connection lost.")).toBe(
    "The cluster could not be reached: Network connection lost.",
  );
});
