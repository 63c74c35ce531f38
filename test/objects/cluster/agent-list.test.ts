import { expect, test } from "vitest";
import { idleTimeJitterMs } from "../../../src/domain/limits.ts";
import { AgentList } from "../../../src/objects/cluster/liveness/agent-list.ts";
import type { ListedBackend } from "../../../src/protocol/v3/agent.ts";

const start = Date.UTC(2030, 0, 1);
const backend = (n: number, idle?: number): ListedBackend => ({
  id: `abcde0000000${n}`,
  status: "ready",
  fencing_token: n,
  ...(idle === undefined ? {} : { idle_seconds: idle }),
});

/** Enters whole lists, and says what each changed of the one before. */
function lists() {
  const list = new AgentList();
  return (backends: ListedBackend[], now: number) => {
    const entered = list.entered({ backends }, now);
    if (!entered) throw new Error("a whole list is entered whatever was there");
    const changes = [...entered.byService.values()];
    list.enter(entered);
    return {
      put: changes.flatMap(({ put }) => put.map(({ fencing_token: token }) => token)),
      gone: changes.flatMap(({ gone }) => gone.map((id) => Number(id.at(-1)))),
    };
  };
}

test("a whole list changes what is otherwise than on the one before, and nothing else", () => {
  const enter = lists();
  expect(enter([backend(1, 0), backend(2, 5), backend(3)], start)).toEqual({ put: [1, 2, 3], gone: [] });
  expect(enter([backend(3), backend(2, 15), backend(1, 0)], start + 10_000)).toEqual({ put: [], gone: [] });
  expect(enter([backend(1, 1), backend(2, 25), backend(4)], start + 20_000)).toEqual({
    put: [1, 4],
    gone: [3],
  });
  expect(enter([backend(1, 11), backend(2, 35), backend(4)], start + 30_000)).toEqual({ put: [], gone: [] });
});

test("what is idle is changed where its idle time has begun anew", () => {
  const enter = lists();
  enter([backend(1, 100)], start);
  const later = start + 50_000;
  const idle = (shorterByMs: number) => backend(1, (150_000 - shorterByMs) / 1000);
  expect(enter([idle(idleTimeJitterMs)], later)).toEqual({ put: [], gone: [] });
  expect(enter([idle(idleTimeJitterMs + 1)], later)).toEqual({ put: [1], gone: [] });
});

test("the last entry of a backend that is on a list twice counts", () => {
  const enter = lists();
  enter([backend(1, 0), backend(2)], start);
  expect(enter([backend(1, 1), backend(1, 0), backend(2)], start)).toEqual({ put: [], gone: [] });
  expect(enter([backend(1, 0), backend(1, 1)], start)).toEqual({ put: [1], gone: [2] });
});
