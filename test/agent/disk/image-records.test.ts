import { mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ImageRecords } from "../../../src/agent/disk/image-records.ts";
import { announcedImageKeptMs } from "../../../src/domain/limits.ts";
import { makeFolder } from "../../support/folder.ts";

async function start() {
  const folder = await makeFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const events: string[] = [];
  const open = () => new ImageRecords(folder.path, (event) => events.push(event));
  return { dir: folder.path, events, open };
}

const pinned = (environment: string, revision: number, service = "hello") => ({
  account: "acme",
  service,
  environment,
  revision,
  image: { reference: "r", repository: "r", digest: "sha256:", tag: null },
});

describe("what an agent remembers of images", () => {
  test("is there after a crash: what it pulls at once, the rest when it was saved", async () => {
    const { open, events } = await start();
    const records = open();
    records.claim("a", 1);
    records.claim("b", 2);
    records.use(["a", "of somebody else"], 5);
    records.announce(pinned("prod", 1), "b", 6);
    expect(open().pulled).toEqual(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
    );
    records.save();
    records.claim("c", 7);
    expect(open().pulled).toEqual(
      new Map([
        ["a", 5],
        ["b", 2],
        ["c", 7],
      ]),
    );
    expect([open().isAnnounced("a"), open().isAnnounced("b")]).toEqual([false, true]);
    records.forget("c");
    records.save();
    expect([...open().pulled.keys()]).toEqual(["a", "b"]);
    expect(events).toEqual([]);
  });

  test("is written down only where there is something new", async () => {
    const { dir, open } = await start();
    const records = open();
    records.claim("a", 1);
    rmSync(join(dir, "images.json"));
    records.save();
    expect(open().pulled.size).toBe(0);
    records.use(["a"], 2);
    records.save();
    expect(open().pulled.get("a")).toBe(2);
  });

  test("that is claimed again has not been used by that", async () => {
    const records = (await start()).open();
    records.claim("a", 1);
    records.claim("a", 9);
    expect(records.pulled.get("a")).toBe(1);
  });

  test.for(["", "{", '{"pulled":1}', '{"pulled":[{"name":"a"}],"announced":[]}'])(
    "and cannot be read is given up, and said so: %j",
    async (text) => {
      const { dir, open, events } = await start();
      writeFileSync(join(dir, "images.json"), text);
      const records = open();
      expect([records.pulled.size, events]).toEqual([0, ["images.records_lost"]]);
      records.claim("a", 1);
      expect(open().pulled.size).toBe(1);
    },
  );

  test("and could not be written is written when that is possible again", async () => {
    const { dir, open, events } = await start();
    const records = open();
    mkdirSync(join(dir, "images.json.unfinished"));
    records.claim("a", 1);
    expect(events).toEqual(["images.not_recorded"]);
    expect(records.pulled.get("a")).toBe(1);
    rmdirSync(join(dir, "images.json.unfinished"));
    records.save();
    expect(open().pulled.get("a")).toBe(1);
  });
});

describe("an announcement", () => {
  test("is replaced by the next one for its environment, and by no other", async () => {
    const records = (await start()).open();
    records.announce(pinned("prod", 1), "a", 0);
    records.announce(pinned("staging", 1), "b", 0);
    records.announce(pinned("prod", 1, "other"), "d", 0);
    records.announce(pinned("prod", 2), "c", 0);
    expect(["a", "b", "c", "d"].map((name) => records.isAnnounced(name))).toEqual([false, true, true, true]);
  });

  test("is replaced by one of the same revision, as an environment made anew has it", async () => {
    const records = (await start()).open();
    records.announce(pinned("prod", 1), "a", 0);
    records.announce(pinned("prod", 1), "b", 0);
    expect(["a", "b"].map((name) => records.isAnnounced(name))).toEqual([false, true]);
  });

  test("that comes late, or of an environment made anew, protects its image beside the other one", async () => {
    const records = (await start()).open();
    records.announce(pinned("prod", 7), "a", 0);
    records.announce(pinned("prod", 1), "b", 0);
    expect(["a", "b"].map((name) => records.isAnnounced(name))).toEqual([true, true]);
    records.announce(pinned("prod", 2), "c", 0);
    expect(["a", "b", "c"].map((name) => records.isAnnounced(name))).toEqual([true, false, true]);
  });

  test("counts until its image was of no use for long", async () => {
    const { open } = await start();
    const records = open();
    records.claim("used", 0);
    records.announce(pinned("prod", 1), "used", 0);
    records.announce(pinned("gone", 1), "unused", 0);
    const announced = (now: number) => {
      records.forgetUnused(now);
      records.save();
      return ["used", "unused"].filter((name) => open().isAnnounced(name));
    };
    expect(announced(announcedImageKeptMs - 1)).toEqual(["used", "unused"]);
    records.use(["used"], announcedImageKeptMs - 1);
    expect(announced(announcedImageKeptMs)).toEqual(["used"]);
    expect(announced(2 * announcedImageKeptMs)).toEqual([]);
  });
});
