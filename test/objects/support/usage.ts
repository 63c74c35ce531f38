import type { UsageTotals } from "../../../src/domain/usage/usage.ts";
import { type Hello, value } from "./service.ts";

export const minute = 60_000;
export const day = 24 * 60 * minute;

/** What was counted in the last hour, for each environment. */
export async function lastHour(hello: Hello, environments?: string[]) {
  const now = Date.now();
  const range = { from: now - 60 * minute, to: now + 1, stepMs: minute };
  return value(await hello.service().usage({ ...range, ...(environments && { environments }) }));
}

export async function totals(hello: Hello, environment = "default"): Promise<Partial<UsageTotals>> {
  const found = (await lastHour(hello)).find((usage) => usage.environment === environment);
  return Object.fromEntries(Object.entries(found?.totals ?? {}).filter(([, count]) => count > 0));
}
