import { describe, inject } from "vitest";
import { remoteAnswerCases } from "../support/remote/remote-answer.case.ts";

describe("in workerd", () => {
  remoteAnswerCases(() => inject("hostile"));
});
