import { describe, expect, vi } from "vitest";
import { recentPinsShown } from "../../../src/domain/limits.ts";
import { test } from "../support/object-test.ts";
import { actor, caller, code, digestNumber, setUp, value } from "../support/service.ts";

/** A service with two images, and the environments `default` (on `v1`) and `prod` (on `v2`). */
async function setUpTwo() {
  const hello = await setUp();
  await hello.push(1, "v1");
  await hello.push(2, "v2");
  value(await hello.service().pin("default", { image: "v1" }, caller));
  value(await hello.service().createEnvironment({ name: "prod", image: "v2" }, caller));
  const overview = async (allowed?: string[]) => value(await hello.service().overview(allowed));
  const of = async (name: string) => {
    const found = (await overview()).environments.find((environment) => environment.name === name);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  };
  const pin = async (image: string, note?: string) =>
    value(await hello.service().pin("prod", { image, ...(note === undefined ? {} : { note }) }, caller));
  const spawn = async (environment: string) => value(await hello.connect({ environment })).backendId;
  return { ...hello, overview, of, pin, spawn };
}

describe("the overview of a service", () => {
  test("shows every environment as it is described, oldest first, and which is used by default", async () => {
    const hello = await setUpTwo();
    value(await hello.service().patch({ default_environment: "prod" }, caller));
    const { environments, defaultEnvironment } = await hello.overview();
    expect(defaultEnvironment).toBe("prod");
    expect(environments.map(({ name }) => name)).toEqual(["default", "prod"]);
    for (const { pins, running, runningOthers, ...environment } of environments) {
      expect(environment).toEqual(value(await hello.service().getEnvironment(environment.name)));
    }
  });

  test("counts what each environment's live backends run by digest, the most common first", async () => {
    const hello = await setUpTwo();
    await hello.spawn("prod");
    await hello.pin("v1");
    for (const environment of ["prod", "prod", "default"]) await hello.spawn(environment);
    const common = { digest: digestNumber(1), tags: ["v1"] };
    expect((await hello.of("prod")).running).toEqual([
      { ...common, count: 2 },
      { digest: digestNumber(2), tags: ["v2"], count: 1 },
    ]);
    expect((await hello.of("default")).running).toEqual([{ ...common, count: 1 }]);
  });

  test("counts a backend until it has ended", async () => {
    const hello = await setUpTwo();
    const id = await hello.spawn("prod");
    const [live] = value(await hello.service().liveBackends());
    const fencingToken = live?.info.fencingToken ?? 0;
    value(await hello.report(id, fencingToken, "terminating"));
    expect((await hello.of("prod")).running).toHaveLength(1);
    value(await hello.report(id, fencingToken, "terminated"));
    expect(await hello.of("prod")).toMatchObject({ running: [], live_backends: 0 });
  });

  test("shows the tags that a digest has now, several or none", async () => {
    const hello = await setUpTwo();
    await hello.spawn("prod");
    await hello.push(2, "stable");
    expect((await hello.of("prod")).running[0]?.tags.sort()).toEqual(["stable", "v2"]);
    await hello.push(1, "stable");
    await hello.push(1, "v2");
    expect((await hello.of("prod")).running).toEqual([{ digest: digestNumber(2), tags: [], count: 1 }]);
  });

  test("shows the latest pins of each environment, newest first, with who set them and why", async () => {
    const hello = await setUpTwo();
    vi.setSystemTime(Date.now() + 1_000);
    await hello.pin("v1", "why");
    const { pins } = await hello.of("prod");
    expect(pins.map(({ revision, image, kind }) => [revision, image, kind])).toEqual([
      [2, "v1", "pin"],
      [1, "v2", "create"],
    ]);
    expect(pins[0]).toMatchObject({
      digest: digestNumber(1),
      by: { token_id: actor.tokenId, token_name: actor.tokenName },
      at: "2030-01-01T00:00:01.000Z",
      note: "why",
    });
    expect((await hello.of("default")).pins.map(({ revision }) => revision)).toEqual([2, 1]);
  });

  test("shows no more pins than there is room for", async () => {
    const hello = await setUpTwo();
    for (let n = 0; n < recentPinsShown; n++) await hello.pin(n % 2 === 0 ? "v1" : "v2");
    const { pins } = await hello.of("prod");
    expect(pins.map(({ revision }) => revision)).toEqual(
      Array.from({ length: recentPinsShown }, (_, n) => recentPinsShown + 1 - n),
    );
  });

  test("shows a narrowed caller the environments that they may see, and no others", async () => {
    const hello = await setUpTwo();
    await hello.spawn("default");
    expect((await hello.overview(["prod"])).environments).toEqual([await hello.of("prod")]);
    expect((await hello.overview(["missing"])).environments).toEqual([]);
    expect((await hello.overview([])).environments).toEqual([]);
  });

  test("is not there for a service that was deleted", async () => {
    const hello = await setUpTwo();
    value(await hello.accountObject.deleteService("hello", caller));
    expect(code(await hello.service().overview())).toBe("service_not_found");
  });
});
