import { html } from "hono/html";
import { describe, expect, test, vi } from "vitest";
import { linesShown, logRenderer } from "../../../../src/edge/pages/backend/log.tsx";
import { logTextAnswer } from "../../../../src/edge/pages/backend/log-text.ts";
import { outputBatches } from "../../../../src/edge/pages/backend/output-batches.ts";
import { outputAnswer } from "../../../../src/edge/pages/backend/output-stream.ts";
import { outputText } from "../../../../src/edge/pages/backend/output-text.ts";
import { usageRenderer } from "../../../../src/edge/pages/backend/usage.tsx";
import { fragment } from "../../../../src/edge/pages/frame/view.ts";
import type { OutputLines } from "../../../../src/edge/streams/backend-output.ts";

/** Output that comes when the test says so. */
function scripted() {
  const given: (string[] | null)[] = [];
  let wake = () => {};
  let pulls = 0;
  let isCancelled = false;
  const source: OutputLines = {
    async next() {
      pulls++;
      while (given.length === 0 && !isCancelled) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return isCancelled ? null : (given.shift() ?? null);
    },
    async cancel() {
      isCancelled = true;
      wake();
    },
  };
  const print = (...chunks: (string[] | null)[]) => {
    given.push(...chunks);
    wake();
  };
  return { source, print, pulls: () => pulls, isCancelled: () => isCancelled };
}

const info = {
  id: "k3f9q7h3kq2m9",
  account: "acme",
  service: "hello",
  environment: "prod",
  cluster: "main",
  digest: `sha256:${"a".repeat(64)}`,
  pin: { image: "latest", revision: 1 },
  key: null,
  fencingToken: 1,
  createdAt: 0,
};
const admitted = async () => true;

describe("a line of output as pages show it", () => {
  test.each([
    ["colours", "\u001b[1;38;5;196mred\u001b[0m and \u009b32mgreen", "red and green"],
    ["the terminal's title and links", "\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\b", "ab"],
    ["other commands", "\u001b(B\u001b7a\u001bMb\u001b[2K", "ab"],
  ])("is without %s", (_, line, text) => {
    expect(outputText(line)).toBe(text);
  });

  test("keeps tabs and all that can be read", () => {
    expect(outputText("a\tb ü 🙂 [31m")).toBe("a\tb ü 🙂 [31m");
  });

  test("shows what is no text by a mark: controls, marks of direction, halves of characters", () => {
    expect(outputText("a\u0000b\u0007c\u202ed\u2066e\ud83df\u001b")).toBe(
      "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffd",
    );
  });
});

describe("gathered output", () => {
  test("is given at the end without waiting, the newest lines only", async () => {
    const { source, print } = scripted();
    print(["1", "2"], [], ["3", "4"], null);
    const batches = outputBatches(source, 3);
    expect(await batches.next()).toEqual(["2", "3", "4"]);
    expect(await batches.next()).toBeNull();
  });

  test("is given soon, though more is to come, and loses nothing of that", async () => {
    const { source, print } = scripted();
    const batches = outputBatches(source, 10);
    print(["1"]);
    expect(await batches.next()).toEqual(["1"]);
    print(["2"], null);
    expect(await batches.next()).toEqual(["2"]);
  });

  test("is not read while nobody pulls", async () => {
    const { source, print, pulls } = scripted();
    outputBatches(source, 10);
    print(["1"], ["2"]);
    expect(pulls()).toBe(0);
  });
});

describe("the log that lies on a page", () => {
  const render = async (renderer: ReturnType<typeof logRenderer>, lines: readonly string[]) => {
    const rendered = renderer.render(lines);
    return rendered === null ? "" : fragment(rendered);
  };
  const some = (count: number) => Array.from({ length: count }, (_, i) => String(i));

  test("is begun anew by each stream, and then added to", async () => {
    const renderer = logRenderer({ info, hasEnded: false });
    expect(await render(renderer, ["a"])).toContain('hx-target="#log-lines" hx-swap="innerHTML"');
    expect(await render(renderer, ["b"])).toContain('hx-target="#log-lines" hx-swap="beforeend"');
  });

  test(`loses its oldest lines as soon as it has more than ${linesShown}`, async () => {
    const renderer = logRenderer({ info, hasEnded: false });
    await render(renderer, some(linesShown / 2));
    expect(await render(renderer, some(linesShown / 2))).not.toContain("delete");
    const third = await render(renderer, ["one more"]);
    expect(third.match(/hx-swap="delete"/g)).toHaveLength(1);
    expect(third).toContain('hx-target="#log-0" hx-swap="delete"');
  });
});

describe("the measurements on a page", () => {
  test("are the last 60 that its stream has sent", async () => {
    const line = JSON.stringify({ mem_used: 1, mem_available: 2, cpu_used: 0, sys_cpu: 0 });
    const renderer = usageRenderer();
    renderer.render(Array(40).fill(line));
    expect(await fragment(renderer.render(Array(40).fill(line)) ?? html``)).toContain("60 measurements");
  });
});

describe("a stream of output", () => {
  test("ends when the visitor may not see it any more, and sends nothing of what came then", async () => {
    const { source, print, isCancelled } = scripted();
    let isAdmitted = true;
    const batches = outputBatches(source, 10);
    const renderer = logRenderer({ info, hasEnded: false });
    const answer = outputAnswer(batches, renderer, async () => isAdmitted);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    await reader?.read();
    print(["for them"]);
    expect((await reader?.read())?.value).toContain("for them");
    isAdmitted = false;
    print(["not for them"]);
    expect(await reader?.read()).toMatchObject({ done: true });
    expect(isCancelled()).toBe(true);
  });

  test("leaves the cluster when the page leaves", async () => {
    const { source, isCancelled } = scripted();
    const answer = outputAnswer(outputBatches(source, 10), logRenderer({ info, hasEnded: false }), admitted);
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(isCancelled()).toBe(true);
  });
});

describe("the log as text", () => {
  test("comes as it is printed, and is left when the client leaves", async () => {
    const { source, print, isCancelled } = scripted();
    const reader = logTextAnswer(source, admitted).body?.pipeThrough(new TextDecoderStream()).getReader();
    print(["one"]);
    expect((await reader?.read())?.value).toBe("one\n");
    print(["", "two"]);
    expect((await reader?.read())?.value).toBe("\ntwo\n");
    await reader?.cancel();
    await vi.waitFor(() => expect(isCancelled()).toBe(true));
  });

  test("ends when the visitor may not see it any more", async () => {
    const { source, print } = scripted();
    print(["not for them"]);
    expect(await logTextAnswer(source, async () => false).text()).toBe("");
  });

  test("says so and ends where nothing is printed for some minutes, whatever keeps its stream alive", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { source, print, pulls, isCancelled } = scripted();
      const text = logTextAnswer(source, admitted).text();
      for (const turn of [1, 2, 3, 4, 5]) {
        await vi.waitFor(() => expect(pulls()).toBe(turn));
        vi.advanceTimersByTime(60_000);
        print([]);
      }
      expect(await text).toMatch(/^-- nothing was printed for a while/);
      expect(isCancelled()).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});
