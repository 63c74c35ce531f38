import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backendStatuses } from "../../../src/domain/backends/status.ts";
import type { ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { emptyListDigest, ListDigest } from "../../../src/protocol/v3/list-digest.ts";

const backend: fc.Arbitrary<ListedBackend> = fc.record(
  {
    id: fc.stringMatching(/^[0-9a-z]{13}$/),
    status: fc.constantFrom(...backendStatuses),
    fencing_token: fc.integer({ min: 1, max: 2 ** 40 }),
    idle_seconds: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1e6 })),
  },
  { requiredKeys: ["id", "status", "fencing_token"] },
);
const list = fc.uniqueArray(backend, { selector: ({ id }) => id, maxLength: 20 });

function digestOf(backends: readonly ListedBackend[]): string {
  const digest = new ListDigest();
  for (const each of backends) digest.add(each.id, each);
  return digest.text;
}

/** The rule of the protocol's documentation, by the arithmetic of whole numbers. */
function byTheRule(backends: readonly ListedBackend[]): string {
  const word = 2n ** 32n;
  const hash = (text: string) => {
    let h = 2166136261n;
    for (const byte of new TextEncoder().encode(text)) h = ((h ^ BigInt(byte)) * 16777619n) % word;
    h = ((h ^ (h >> 16n)) * 0x85ebca6bn) % word;
    h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) % word;
    return h ^ (h >> 16n);
  };
  const lines = backends.map(({ id, status, fencing_token, idle_seconds: idle }) => {
    const use = idle === undefined ? "-" : idle === 0 ? "c" : "i";
    return `${use} ${status} ${fencing_token} ${id}`;
  });
  return ["", "+"]
    .map((before) => lines.reduce((sum, line) => (sum + hash(before + line)) % word, 0n))
    .map((sum) => sum.toString(16).padStart(8, "0"))
    .join("");
}

describe("the digest of a list", () => {
  test("is what the protocol says", () => {
    fc.assert(
      fc.property(list, (backends) => {
        expect(digestOf(backends)).toBe(byTheRule(backends));
      }),
    );
  });

  test("is these for lists that other agents can be tried with", () => {
    expect(emptyListDigest).toBe("0000000000000000");
    const ready = { id: "k3f9q7h3kq2m9", status: "ready", fencing_token: 7, idle_seconds: 31 } as const;
    const starting = { id: "k3f9q7h3kq2ma", status: "starting", fencing_token: 8, idle_seconds: 0 } as const;
    const ended = { id: "k3f9q7h3kq2mb", status: "terminated", fencing_token: 9 } as const;
    expect(digestOf([ready])).toBe("0ab8537a2e2ab3b7");
    expect(digestOf([ready, starting, ended])).toBe("4084fa7542a642a5");
  });

  test("does not depend on the order, nor on how long something has been idle", () => {
    fc.assert(
      fc.property(list, (backends) => {
        const later = backends.map((each) => (each.idle_seconds ? { ...each, idle_seconds: 1e7 } : each));
        expect(digestOf(later.toReversed())).toBe(digestOf(backends));
      }),
    );
  });

  test("is another one where two backends have exchanged what is said of them", () => {
    fc.assert(
      fc.property(backend, backend, (a, b) => {
        fc.pre(a.id !== b.id);
        const isSame = byTheRule([{ ...a, id: b.id }]) === byTheRule([b]);
        expect(
          digestOf([
            { ...a, id: b.id },
            { ...b, id: a.id },
          ]) === digestOf([a, b]),
        ).toBe(isSame);
      }),
    );
  });

  test("costs what has changed: without what was removed it is as if that had never been there", () => {
    fc.assert(
      fc.property(list, (backends) => {
        const digest = new ListDigest();
        for (const each of backends) digest.add(each.id, each);
        const half = backends.slice(0, backends.length / 2);
        for (const each of half) digest.remove(each.id, each);
        expect(digest.text).toBe(digestOf(backends.slice(half.length)));
      }),
    );
  });
});
