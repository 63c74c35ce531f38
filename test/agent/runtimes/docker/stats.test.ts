import { describe, expect, test } from "vitest";
import { readSample, usageBetween } from "../../../../src/agent/runtimes/docker/stats.ts";

function sample(memory: object, cpu: number, system: number) {
  const read = readSample({
    memory_stats: { limit: 1000, ...memory },
    cpu_stats: { cpu_usage: { total_usage: cpu }, system_cpu_usage: system, online_cpus: 2 },
  });
  if (!read) throw new Error("this is a sample");
  return read;
}
const first = sample({ usage: 1 }, 100, 5000);

describe("a container's usage", () => {
  test.for([
    ["cgroup v1", { total_inactive_file: 300, inactive_file: 1 }, 600],
    ["cgroup v2", { inactive_file: 200 }, 700],
    ["an engine that reports nothing of files", {}, 900],
    ["more cached than used", { inactive_file: 901 }, 900],
  ] as const)("counts memory without idle cached files: %s", ([, stats, used]) => {
    expect(usageBetween(first, sample({ usage: 900, stats }, 100, 5000))).toMatchObject({
      memoryUsedBytes: used,
      memoryAvailableBytes: 1000 - used,
    });
  });

  test("says how much processor time went by since the sample before", () => {
    expect(usageBetween(first, sample({ usage: 1 }, 175, 5300))).toMatchObject({
      cpuUsed: 75,
      systemCpu: 300,
    });
  });

  test("never leaves less than nothing", () => {
    expect(usageBetween(first, sample({ usage: 1200 }, 50, 4000))).toEqual({
      memoryUsedBytes: 1200,
      memoryAvailableBytes: 0,
      cpuUsed: 0,
      systemCpu: 0,
    });
  });
});

test("what the engine says of a container that has ended is no sample", () => {
  const ended = {
    read: "0001-01-01T00:00:00Z",
    memory_stats: {},
    cpu_stats: { cpu_usage: { total_usage: 0 } },
  };
  expect(readSample(ended)).toBeNull();
});
