import { runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";
import { ok } from "../../../src/domain/result.ts";
import { FailureLog } from "../../../src/objects/failures/failure-log.ts";
import { ShardNotifier } from "../../../src/objects/service/backends/shard-notifier.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { test } from "../support/object-test.ts";
import { value } from "../support/service.ts";

test("a shard that cannot be notified of its backends keeps no other waiting, and has its turn again", async ({
  pinned: hello,
}) => {
  for (let i = 0; i < 4; i++) value(await hello.connect());
  await runInDurableObject(hello.service(), async (_, { storage }) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    storage.sql.exec("UPDATE backends SET untold = 1").toArray();
    const state = new ServiceState(storage);
    const rows = () => state.backends.all();
    const broken = new Set(
      rows()
        .slice(0, 2)
        .map(({ id }) => id),
    );
    const notifier = new ShardNotifier(state, new FailureLog("a test"), async ({ info }) => {
      if (broken.has(info.id)) throw new Error("the shard is broken");
      return ok(null);
    });
    const asked: string[][] = [];
    for (let round = 0; round < 4; round++) {
      const next = notifier.next(rows(), 1);
      asked.push(next);
      for (const id of next) await notifier.notify(id);
    }
    expect(asked.flat()).toEqual(rows().map(({ id }) => id));
    for (let round = 0; round < 4; round++) {
      const [id = ""] = notifier.next(rows(), 1);
      await notifier.notify(id);
      expect([...broken][round % 2]).toBe(id);
    }
  });
});
