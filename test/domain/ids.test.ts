import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  backendId,
  backendIdPattern,
  encodeRandom,
  idAlphabet,
  parseBackendId,
  serviceCode,
} from "../../src/domain/ids.ts";

describe("backend ids", () => {
  test("the alphabet has 32 letters, without those that are read as others", () => {
    expect(new Set(idAlphabet).size).toBe(32);
    for (const letter of "ilou") expect(idAlphabet).not.toContain(letter);
  });

  test("every byte value maps onto the alphabet, each letter equally often", () => {
    const counts = new Map<string, number>();
    for (const letter of encodeRandom(Uint8Array.from({ length: 256 }, (_, i) => i))) {
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    expect(counts.size).toBe(32);
    expect(new Set(counts.values())).toEqual(new Set([8]));
  });

  test("an id is a DNS label from which its service's code and shard are read again", () => {
    const bytes = fc.uint8Array({ minLength: 8, maxLength: 32 });
    fc.assert(
      fc.property(bytes, bytes, (forService, forBackend) => {
        const code = serviceCode(forService);
        const id = backendId(code, forBackend);
        expect(id).toMatch(/^[a-z0-9]{13}$/);
        expect(id).toMatch(backendIdPattern);
        expect(parseBackendId(id)).toEqual({ serviceCode: code, shard: id[5] });
      }),
    );
  });

  test("there are 32 shards", () => {
    const shards = Array.from({ length: 256 }, (_, first) => {
      const id = backendId("00000", Uint8Array.from([first, 1, 2, 3, 4, 5, 6, 7]));
      return parseBackendId(id)?.shard;
    });
    expect(new Set(shards).size).toBe(32);
  });

  const bad = [
    "",
    "k3f9q7h3kq2m",
    "k3f9q7h3kq2m99",
    "K3F9Q7H3KQ2M9",
    "k3f9q7h3kq2ml",
    "k3f9q7h3kq2mi",
    "k3f9q7h3kq2mo",
    "k3f9q7h3kq2mu",
    "k3f9q-7h3kq2m",
    "k3f9q7h3kq2m\n",
    "k3f9q7h3kq2m9\n",
    " k3f9q7h3kq2m",
    "../../../../..",
  ];
  test.for(bad)("%j is not a backend id", (id) => {
    expect(parseBackendId(id)).toBeNull();
  });
});
