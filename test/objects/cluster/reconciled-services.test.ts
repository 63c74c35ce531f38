import { expect, test } from "vitest";
import {
  allServicesComparedEveryMs,
  codesLookedUpAtOnce,
  serviceNamesPerCall,
  servicesJudgedAtOnce,
} from "../../../src/domain/limits.ts";
import { ReconciledServices } from "../../../src/objects/cluster/liveness/services.ts";
import { FailureLog } from "../../../src/objects/failures/failure-log.ts";

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(5, "0")}`);

test("codes that nobody knows are looked up a bounded number at a heartbeat, and each has its turn", async () => {
  let lookups: string[] = [];
  const owned = numbered("own", codesLookedUpAtOnce);
  const strange = numbered("strange", 2 * codesLookedUpAtOnce + 30);
  const services = new ReconciledServices(
    {
      lookup: async (code) => {
        lookups.push(code);
        return code.startsWith("own") ? `service of ${code}` : null;
      },
      servicesAfter: async () => [],
    },
    new FailureLog("a test"),
  );
  const judged = new Set<string>();
  const refused = new Set<string>();
  for (let beat = 0; beat < 5; beat++) {
    lookups = [];
    const due = await services.due([...strange, ...owned], beat);
    expect(lookups.length).toBeLessThanOrEqual(codesLookedUpAtOnce);
    for (const code of due.services.keys()) judged.add(code);
    for (const code of due.strangers) refused.add(code);
  }
  expect([...judged].sort()).toEqual(owned);
  expect([...refused].sort()).toEqual(strange);
});

test("every service is listed page by page, one a heartbeat, each is judged, and then none until the next time", async () => {
  const names = numbered("s", 2 * serviceNamesPerCall + 10);
  const read: string[] = [];
  const services = new ReconciledServices(
    {
      lookup: async () => null,
      servicesAfter: async (after) => {
        read.push(after);
        const page = names.filter((name) => name > after).slice(0, serviceNamesPerCall);
        return page.map((service) => ({ code: `code of ${service}`, service }));
      },
    },
    new FailureLog("a test"),
  );
  const judged: string[] = [];
  const beat = async (now: number) => {
    const due = await services.due([], now);
    expect(due.services.size).toBeLessThanOrEqual(servicesJudgedAtOnce);
    judged.push(...due.services.values());
    for (const code of due.services.keys()) services.reconciled(code, 0);
  };
  for (let now = 0; now < 10; now++) await beat(now);
  expect(read).toEqual(["", names[serviceNamesPerCall - 1], names[2 * serviceNamesPerCall - 1]]);
  expect(judged.toSorted()).toEqual(names);
  await beat(allServicesComparedEveryMs + 10);
  expect(read.at(-1)).toBe("");
});
