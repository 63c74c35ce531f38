import { describe } from "vitest";
import { clearCases } from "./cases/clear.ts";
import { casesOf } from "./cases/kit.ts";
import { lifeCases } from "./cases/life.ts";
import { listCases } from "./cases/list.ts";
import { logsCases } from "./cases/logs.ts";
import { statsCases } from "./cases/stats.ts";
import type { RuntimeSubject } from "./subject.ts";

/**
 * What every runtime does.
 * @param subject gives what is tested, once the tests run
 * @param gaps the names of cases that it does not pass, each with the reason
 */
export function runtimeCases(
  subject: () => RuntimeSubject,
  gaps: Readonly<Record<string, string>> = {},
): void {
  const { declare, checkGaps } = casesOf(subject, gaps);
  describe("life", () => lifeCases(declare));
  describe("list", () => listCases(declare));
  describe("logs", () => logsCases(declare));
  describe("stats", () => statsCases(declare));
  describe("clear", () => clearCases(declare));
  checkGaps();
}
