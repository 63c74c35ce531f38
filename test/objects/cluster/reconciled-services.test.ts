import { describe, expect, test } from "vitest";
import {
  allServicesComparedEveryMs,
  codesLookedUpAtOnce,
  serviceNamesKept,
  serviceNamesPerCall,
  servicesJudgedAtOnce,
} from "../../../src/domain/limits.ts";
import { ReconciledServices } from "../../../src/objects/cluster/liveness/services.ts";
import { FailureLog } from "../../../src/objects/failures/failure-log.ts";
import { failureLines } from "../support/failure-lines.ts";

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

const many = 3 * serviceNamesPerCall;

/** The services of an account, as its own objects know them, and what was asked for. */
function accountOf(count: number) {
  const names = numbered("s", count);
  const read: string[] = [];
  const lookedUp: string[] = [];
  const account = {
    names,
    read,
    lookedUp,
    /** What happens while a page is on its way. */
    meanwhile: () => {},
    directoryFails: false,
    services: new ReconciledServices(
      {
        lookup: async (code) => {
          lookedUp.push(code);
          if (account.directoryFails) throw new Error("not now");
          return names.includes(code) ? code : null;
        },
        servicesAfter: async (after) => {
          read.push(after);
          const page = names.filter((name) => name > after).slice(0, serviceNamesPerCall);
          account.meanwhile();
          return page.map((service) => ({ code: service, service }));
        },
      },
      new FailureLog("a test"),
    ),
    /** A heartbeat that lists backends of these codes. @returns the services that were to judge it */
    beat: async (now: number, codes: readonly string[] = [], live: number | null = 0) => {
      const { services, strangers } = await account.services.due(codes, now);
      for (const code of services.keys()) account.services.reconciled(code, live);
      return { judges: [...services.values()].sort(), strangers: [...strangers] };
    },
  };
  return account;
}

describe("where an agent has come or gone", () => {
  test("every service is listed again at the next heartbeat, though it is not yet time", async () => {
    const { services, beat, read, names } = accountOf(3);
    expect((await beat(0)).judges).toEqual(names);
    expect((await beat(1)).judges).toEqual([]);
    services.agentsChanged();
    expect((await beat(2)).judges).toEqual(names);
    expect(read).toEqual(["", ""]);
  });

  test("they are listed from the first on, though not all were listed yet", async () => {
    const { services, beat, read, names } = accountOf(many);
    await beat(0);
    await beat(1);
    services.agentsChanged();
    await beat(2);
    expect(read).toEqual(["", names[serviceNamesPerCall - 1], ""]);
  });

  test("while a page was on its way, they are listed from the first on all the same", async () => {
    const account = accountOf(many);
    await account.beat(0);
    account.meanwhile = () => account.services.agentsChanged();
    await account.beat(1);
    account.meanwhile = () => {};
    await account.beat(2);
    expect(account.read.at(-1)).toBe("");
  });
});

describe("a service judges the next list too, which shows nothing of it", () => {
  test.for([
    ["where it has backends there", 2, true],
    ["where it gave no verdict", null, true],
    ["but not where it has none", 0, false],
  ] as const)("%s", async ([, live, isJudge]) => {
    const { beat, names } = accountOf(1);
    await beat(0);
    await beat(1, names, live);
    expect((await beat(2)).judges).toEqual(isJudge ? names : []);
  });

  test("in turn, where they are more than judge one heartbeat", async () => {
    const { beat, names } = accountOf(2 * servicesJudgedAtOnce);
    for (let now = 0; now < 2; now++) await beat(now, [], 1);
    const judges = [await beat(2, [], 1), await beat(3, [], 1)].flatMap((beaten) => beaten.judges);
    expect(judges.sort()).toEqual(names);
  });
});

test("names are remembered of so many services, and of those that have backends there", async () => {
  const { services, beat, names, lookedUp } = accountOf(serviceNamesKept + 2);
  for (let now = 0; now < 10; now++) {
    const { services: due } = await services.due([], now);
    for (const code of due.keys()) services.reconciled(code, code === names[0] ? 1 : 0);
  }
  expect((await beat(20, names.slice(-1))).judges).toEqual([names[0], ...names.slice(-1)]);
  expect(lookedUp).toEqual([]);
  await beat(21, names.slice(0, 2));
  expect(lookedUp).toEqual([names[1]]);
});

test("a code that cannot be looked up for now is no stranger's, and is looked up the next time", async () => {
  failureLines();
  const account = accountOf(0);
  account.directoryFails = true;
  expect((await account.beat(0, ["a"])).strangers).toEqual([]);
  account.directoryFails = false;
  expect((await account.beat(1, ["a"])).strangers).toEqual(["a"]);
});
