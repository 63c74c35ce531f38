import type { TestProject } from "vitest/node";
import { startHostileAnswers } from "./hostile-answers.ts";
import "./hostile-place.ts";

/** Starts the hostile answers for tests that run in workerd, and provides them with their address. */
export default async function startForWorkerd({ provide }: TestProject): Promise<() => Promise<void>> {
  const { url, smuggledUrl, [Symbol.asyncDispose]: dispose } = await startHostileAnswers();
  provide("hostile", { url, smuggledUrl });
  return async () => dispose();
}
