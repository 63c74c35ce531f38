import { isIPv6 } from "node:net";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import type { Address, Runtime, Started, StartSpec } from "../../../../src/agent/runtimes/runtime.ts";
import { never } from "../../support/streams.ts";
import type { ImageName, RuntimePlace, RuntimeSubject } from "../subject.ts";

/** A bound for giving up on a busy machine, not a measure. */
const caseTimeoutMs = 60_000;

let started = 0;

export type StartedBackend = Started & { id: string };

/** A runtime over a place of its own, and what starts backends there; all of it ends with the test. */
export class Bench {
  readonly place: RuntimePlace;
  readonly runtime: Runtime;
  readonly #subject: RuntimeSubject;

  constructor(place: RuntimePlace, runtime: Runtime, subject: RuntimeSubject) {
    this.place = place;
    this.runtime = runtime;
    this.#subject = subject;
  }

  /** What starts an image, under an id that no other backend has. */
  spec(image: ImageName, changes: Partial<StartSpec> = {}): StartSpec {
    return {
      backendId: `k3f9q${String(++started).padStart(8, "0")}`,
      image: this.#subject.images[image],
      env: {},
      resources: undefined,
      mount: undefined,
      port: undefined,
      labels: {},
      ...changes,
    };
  }

  async start(image: ImageName, env: Record<string, string> = {}): Promise<StartedBackend> {
    const spec = this.spec(image, { env });
    const result = await this.runtime.start(spec);
    if (!result.ok) throw new Error(`${image} was not started: ${result.error.message}`);
    return { id: spec.backendId, ...result.value };
  }

  /** Starts one and waits until it has printed a line. */
  async startUntil(
    line: string,
    image: ImageName,
    env: Record<string, string> = {},
  ): Promise<StartedBackend> {
    const backend = await this.start(image, env);
    await readUntil(this.runtime, backend.id, line);
    return backend;
  }

  async listedIds(): Promise<string[]> {
    return (await this.runtime.list()).map(({ backendId }) => backendId).toSorted();
  }
}

export type Case = (name: string, body: (bench: Bench) => Promise<void>) => void;

/**
 * What declares cases: each gets a bench of its own. Those named in `gaps` are skipped, for the reason given there.
 * @returns also a check that there is a case for every gap
 */
export function casesOf(subject: () => RuntimeSubject, gaps: Readonly<Record<string, string>>) {
  const names = new Set<string>();
  const declare: Case = (name, body) => {
    names.add(name);
    test(name, { timeout: caseTimeoutMs }, async (context: TestContext) => {
      const gap = gaps[name];
      if (gap !== undefined) context.skip(gap);
      const place = await subject().makePlace();
      onTestFinished(() => place[Symbol.asyncDispose]());
      await body(new Bench(place, await place.open(), subject()));
    });
  };
  return {
    declare,
    checkGaps: () =>
      test("every known gap is one of a case", () => {
        expect(Object.keys(gaps).filter((name) => !names.has(name))).toEqual([]);
      }),
  };
}

/** The lines of a backend's output up to the first that is `wanted`. Throws where it ends before that. */
export async function readUntil(runtime: Runtime, backendId: string, wanted: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of runtime.logs(backendId, never)) {
    lines.push(line);
    if (line === wanted) return lines;
  }
  throw new Error(`the output ended without \`${wanted}\`:\n${lines.join("\n")}`);
}

/** The status of an HTTP answer at an address; null where nobody answers. */
export async function statusAt({ host, port }: Address): Promise<number | null> {
  try {
    const response = await fetch(`http://${isIPv6(host) ? `[${host}]` : host}:${port}/`, {
      headers: { connection: "close" },
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return null;
  }
}
