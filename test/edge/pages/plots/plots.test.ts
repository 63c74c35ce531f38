import { describe, expect, test } from "vitest";
import { sizeText } from "../../../../src/edge/pages/elements/amount-text.ts";
import { MetricPlot } from "../../../../src/edge/pages/plots/metric-plot.tsx";
import { largestAndOthers, ShareBar } from "../../../../src/edge/pages/plots/share-bar.tsx";
import { TimePlot } from "../../../../src/edge/pages/plots/time-plot.tsx";
import { Timeline } from "../../../../src/edge/pages/plots/timeline.tsx";

const now = Date.UTC(2026, 10, 23, 10, 28, 31, 250);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const markup = `<script>"'&`;

/** What a screen reader says of a plot's drawing. */
function essenceOf(html: string): string | undefined {
  return /role="img" aria-label="([^"]*)"/.exec(html)?.[1];
}

/** The cells of a plot's table, row by row. */
function rowsOf(html: string): string[][] {
  const body = /<details><summary>As a table<\/summary>.*<tbody>(.*)<\/tbody>/s.exec(html)?.[1] ?? "";
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = ""]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = ""]) => cell),
  );
}

const drawingsOf = (html: string) =>
  [...html.matchAll(/<svg [^>]*role="img".*?<\/svg>/gs)].map(([svg]) => svg);

function timePlot(given: Partial<Parameters<typeof TimePlot>[0]> = {}): string {
  const range = { from: now - 6 * hourMs, until: now, bucketMs: 10 * minuteMs };
  return String(TimePlot({ label: "Spawns", series: [], ...range, ...given }));
}

const sixtyPoints = Array.from({ length: 60 }, (_, index) => ({
  at: now - (60 - index) * minuteMs,
  value: (index * 7919) % 97,
}));

describe("counts over time", () => {
  test("say how many there were in all and at most", () => {
    const points = [
      { at: now - 2 * hourMs, value: 3 },
      { at: now - 2 * hourMs, value: 2 },
      { at: now - hourMs, value: 4 },
    ];
    const html = timePlot({ series: [{ label: "spawns", points }] });
    expect(essenceOf(html)).toBe(
      "Spawns, 2026-11-23 04:28 to 2026-11-23 10:28 UTC: 9 in all, at most 5 in 10 min.",
    );
    expect(rowsOf(html)).toEqual([
      ["2026-11-23 08:20", "5"],
      ["2026-11-23 09:20", "4"],
    ]);
  });

  test.for([
    ["no series", []],
    ["no points", [{ label: "spawns", points: [] }]],
    ["only zeros", [{ label: "spawns", points: [{ at: now - hourMs, value: 0 }] }]],
    [
      "only what is outside of the range",
      [{ label: "spawns", points: [{ at: now - 7 * hourMs, value: 5 }] }],
    ],
  ] as const)("of %s are none, and are drawn as such", ([, series]) => {
    const html = timePlot({ series });
    expect(essenceOf(html)).toMatch(/: none\.$/);
    expect(html).toContain("none in this time");
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
    expect(rowsOf(html)).toEqual([]);
  });

  test("of several series are distinguished by dashes, and each is named beside its line, with its sum below", () => {
    const html = timePlot({
      series: [
        { label: "spawned", points: [{ at: now - hourMs, value: 3 }] },
        { label: "reused", points: [{ at: now - hourMs, value: 8 }] },
      ],
    });
    for (const drawing of drawingsOf(html)) {
      expect(drawing).toMatch(/<text[^>]*>spawned<\/text>/);
      expect(drawing).toMatch(/<text[^>]*>reused<\/text>/);
      expect(drawing).toContain('class="line s0"');
      expect(drawing).toContain('class="line s1"');
    }
    expect(html).toContain("spawned: 3");
    expect(html).toContain("reused: 8");
    expect(essenceOf(html)).toContain("spawned 3 in all, at most 3 in 10 min; reused 8 in all");
  });

  test("number the marks of their range in the order of time, and list them with what they lead to", () => {
    const html = timePlot({
      marks: [
        { at: now - hourMs, label: "v13", path: "/second" },
        { at: now - 7 * hourMs, label: "before the range" },
        { at: now - 4 * hourMs, label: "v12", path: "/first" },
      ],
    });
    for (const drawing of drawingsOf(html)) {
      expect([...drawing.matchAll(/<text[^>]*middle"[^>]*>(\d)<\/text>/g)].map(([, n]) => n)).toEqual([
        "1",
        "2",
      ]);
    }
    expect(html).toMatch(/<ol.*href="\/first">v12<.*href="\/second">v13</s);
    expect(html).not.toContain("before the range");
    expect(essenceOf(html)).toContain("2 marks");
  });

  test("write one text for marks whose numbers would cover each other", () => {
    const marks = [3, 2, 1].map((minutes) => ({ at: now - hourMs - minutes * minuteMs, label: "pin" }));
    expect(timePlot({ marks })).toContain(">1–3</text>");
  });
});

describe("the bar of shares", () => {
  const part = (label: string, count: number) => ({ label, count });

  test("shows the six largest, the others as one, and all of them in its table", () => {
    const parts = ["a", "b", "c", "d", "e", "f", "g", "h"].map((label, index) => part(label, index + 1));
    expect(largestAndOthers(parts).map(({ label, count }) => `${label} ${count}`)).toEqual([
      "h 8",
      "g 7",
      "f 6",
      "e 5",
      "d 4",
      "c 3",
      "2 others 3",
    ]);
    const html = String(ShareBar({ label: "Live", id: "live", parts }));
    expect(rowsOf(html).map(([label]) => label)).toEqual(["h", "g", "f", "e", "d", "c", "b", "a"]);
    expect(essenceOf(html)).toMatch(/^Live, 36 in all: h 8 \(22%\), .*2 others 3 \(8%\)\.$/);
  });

  test("draws no segment for what is none, and keeps the order of equals", () => {
    expect(largestAndOthers([part("b", 1), part("none", 0), part("a", 1)])).toEqual([
      part("a", 1),
      part("b", 1),
    ]);
  });

  test("does not call a little nothing, nor almost all all", () => {
    const html = String(ShareBar({ label: "Live", id: "live", parts: [part("a", 1999), part("b", 1)] }));
    expect(essenceOf(html)).toBe("Live, 2000 in all: a 1999 (over 99%), b 1 (under 1%).");
  });

  test("refers to hatchings that are there, each once", () => {
    const parts = [..."abcdefgh"].map((label) => ({ ...part(label, 1), path: `/${label}` }));
    const html = String(ShareBar({ label: "Live", id: "live", parts }));
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of html.matchAll(/url\(#([^)]+)\)/g)) expect(ids).toContain(id);
    expect(html).toContain('href="/b"');
  });

  test("of nothing says so", () => {
    const html = String(ShareBar({ label: "Live", id: "live", parts: [part("a", 0)] }));
    expect(html).toContain("None now.");
    expect(html).not.toContain("<svg");
  });
});

describe("the timeline of a backend", () => {
  const ended = [
    { status: "scheduled", time: now - 3 * hourMs - 500 },
    { status: "loading", time: now - 3 * hourMs - 488 },
    { status: "ready", time: now - 3 * hourMs },
    { status: "terminated", time: now },
  ] as const;

  test("says how long each status lasted, and its exact beginning in the table", () => {
    const html = String(Timeline({ history: ended, until: now + hourMs }));
    expect(essenceOf(html)).toBe(
      "Statuses: 3.0 h from scheduled to terminated; scheduled 12 ms, loading 488 ms, ready 3.0 h, terminated the end.",
    );
    expect(rowsOf(html)[1]).toEqual(["loading", "2026-11-23 07:28:30.762", "488 ms"]);
  });

  test("keeps what was short wide enough for its number", () => {
    for (const drawing of drawingsOf(String(Timeline({ history: ended, until: now })))) {
      const widths = [...drawing.matchAll(/<rect[^>]* width="([^"]+)"/g)].map(([, width]) => Number(width));
      expect(widths.length).toBe(4);
      expect(Math.min(...widths)).toBeGreaterThan(10);
    }
  });

  test("of a live backend reaches to now", () => {
    const html = String(Timeline({ history: ended.slice(0, 3), until: now }));
    expect(essenceOf(html)).toContain("3.0 h so far, now ready");
  });

  test("counts a status as nothing when a clock was set back in it", () => {
    const history = [
      { status: "scheduled", time: now },
      { status: "loading", time: now - minuteMs },
    ] as const;
    const html = String(Timeline({ history, until: now }));
    expect(essenceOf(html)).toContain("scheduled 0 ms, loading 1 min so far");
  });

  test("of nothing says so", () => {
    expect(String(Timeline({ history: [], until: now }))).toContain("No status yet.");
  });
});

describe("a metric", () => {
  const metric = (samples: { at: number; value: number }[]) =>
    String(MetricPlot({ label: "Memory used", samples, text: sizeText, smallestStep: 1 }));

  test("says its latest value, and between which it was", () => {
    const html = metric([
      { at: now - 2_000, value: 3e6 },
      { at: now - 1_000, value: 9e6 },
      { at: now, value: 5e6 },
    ]);
    expect(essenceOf(html)).toBe(
      "Memory used: 5.0 MB at 2026-11-23 10:28:31 UTC, between 3.0 MB and 9.0 MB since 2026-11-23 10:28:29 UTC.",
    );
  });

  test("shows the last 60 samples", () => {
    const html = metric([{ at: now - 2 * hourMs, value: 1e9 }, ...sixtyPoints]);
    expect(rowsOf(html).length).toBe(60);
    expect(html).not.toContain("1.0 GB");
  });

  test.for([
    ["one sample", [{ at: now, value: 5 }]],
    ["zeros", sixtyPoints.map(({ at }) => ({ at, value: 0 }))],
    ["samples of one moment", [1, 2, 3].map((value) => ({ at: now, value }))],
    [
      "samples below 0",
      [
        { at: now - 1_000, value: -5 },
        { at: now, value: -1 },
      ],
    ],
  ] as const)("of %s is drawn", ([, samples]) => {
    const html = metric([...samples]);
    expect(drawingsOf(html).length).toBe(2);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("without a sample that is a number says so", () => {
    expect(metric([])).toContain("No samples yet.");
    expect(metric([{ at: now, value: Number.NaN }])).toContain("No samples yet.");
  });
});

describe("every plot", () => {
  const plots = (text: string) => ({
    time: timePlot({
      label: text,
      from: now - hourMs,
      bucketMs: minuteMs,
      series: [
        { label: text, points: sixtyPoints },
        { label: text, points: [] },
      ],
      marks: [{ at: now - minuteMs, label: text, path: `/${text}` }],
    }),
    shares: String(
      ShareBar({ label: text, id: "shares", parts: [{ label: text, count: 2, path: `/${text}` }] }),
    ),
    timeline: String(Timeline({ label: text, history: [{ status: "ready", time: now }], until: now })),
    metric: String(
      MetricPlot({ label: text, samples: sixtyPoints, text: (value) => `${value}${text}`, smallestStep: 1 }),
    ),
  });

  test("escapes its input", () => {
    for (const html of Object.values(plots(markup))) {
      expect(html).toContain("&lt;script&gt;");
      expect(html).not.toContain("<script");
    }
  });

  test("has neither a style nor a script, which the pages' policy forbids", () => {
    for (const html of Object.values(plots("a"))) expect(html).not.toMatch(/ style=| on[a-z]+=|<style/);
  });

  test("is an image with a name, for wide places and for narrow ones, with a table of its numbers", () => {
    for (const html of Object.values(plots("a"))) {
      expect(drawingsOf(html).length).toBe(2);
      expect(essenceOf(html)).not.toBe("");
      expect(rowsOf(html).length).toBeGreaterThan(0);
    }
  });

  test("of 60 points takes at most 10 kB, its table included", () => {
    for (const html of Object.values(plots("a"))) expect(html.length).toBeLessThan(10_000);
  });
});
