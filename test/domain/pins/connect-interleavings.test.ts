import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BackendStatus } from "../../../src/domain/backends/status.ts";
import { decideConnect } from "../../../src/domain/pins/connect.ts";
import { digest1, digest2, environment, environmentsOf, snapshot } from "./connect-snapshot.ts";

describe("any interleaving of connects, pins, pushes and ends, each decided on the state before it", () => {
  interface Backend {
    id: string;
    environment: string;
    key: string | undefined;
    status: BackendStatus;
    digest: string;
  }
  const environmentName = fc.constantFrom("prod", "staging");
  const step = fc.oneof(
    fc.record({
      do: fc.constant("connect" as const),
      environment: environmentName,
      key: fc.constantFrom("a", "b"),
    }),
    fc.record({
      do: fc.constant("pin" as const),
      environment: environmentName,
      image: fc.constantFrom("v1", "v2", digest1),
    }),
    fc.record({
      do: fc.constant("push" as const),
      tag: fc.constantFrom("v1", "v2"),
      digest: fc.constantFrom(digest1, digest2),
    }),
    fc.record({
      do: fc.constant("end" as const),
      backend: fc.nat(9),
      status: fc.constantFrom("ready" as const, "terminating" as const, "terminated" as const),
    }),
  );

  test("never gives a key to two live backends, and every spawn runs what its pin meant at that moment", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pins = new Map([
          ["prod", "v1"],
          ["staging", "v2"],
        ]);
        const pushed = new Map([
          ["v1", digest1],
          ["v2", digest2],
        ]);
        const backends: Backend[] = [];
        const live = (name: string, key: string) =>
          backends.filter(
            (each) => each.environment === name && each.key === key && each.status !== "terminated",
          );
        for (const each of steps) {
          if (each.do === "pin") pins.set(each.environment, each.image);
          if (each.do === "push") pushed.set(each.tag, each.digest);
          if (each.do === "end") {
            const backend = backends[each.backend];
            if (backend && backend.status !== "terminated") backend.status = each.status;
          }
          if (each.do !== "connect") continue;
          const image = pins.get(each.environment) ?? "";
          const meant = image.startsWith("sha256:") ? image : pushed.get(image);
          const decided = decideConnect(
            { environment: each.environment, key: each.key, spawn: {} },
            snapshot({
              environments: environmentsOf(
                [...pins].map(([name, pin]) =>
                  environment(name, {
                    image: pin,
                    digest: pin.startsWith("sha256:") ? pin : (pushed.get(pin) ?? null),
                  }),
                ),
              ),
              images: {
                digestOfTag: (tag) => pushed.get(tag),
                hasDigest: (digest) => [digest1, digest2].includes(digest),
                artifactOf: () => undefined,
                recentTags: () => [...pushed.keys()],
              },
              holderOf: (name, key) => {
                const holder = live(name, key)[0];
                return holder && { id: holder.id, status: holder.status, isHeld: false };
              },
            }),
          );
          if (!decided.ok) throw new Error(decided.error.message);
          if (decided.value.action !== "spawn") {
            expect(live(each.environment, each.key)[0]?.id).toBe(decided.value.backendId);
            continue;
          }
          expect(decided.value.image.digest).toBe(meant);
          backends.push({
            id: `b${backends.length}`,
            environment: each.environment,
            key: each.key,
            status: "scheduled",
            digest: decided.value.image.digest,
          });
          expect(live(each.environment, each.key)).toHaveLength(1);
        }
      }),
    );
  });
});
