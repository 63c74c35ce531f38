import { describe } from "vitest";
import { startHostileAnswers } from "../support/remote/hostile-answers.ts";
import type { HostilePlace } from "../support/remote/hostile-place.ts";
import { remoteAnswerCases } from "../support/remote/remote-answer.case.ts";
import { share } from "../support/shared.ts";

describe("in Node", () => {
  let place: HostilePlace;
  share({
    start: async (stack) => {
      place = stack.use(await startHostileAnswers());
    },
  });
  remoteAnswerCases(() => place);
});
