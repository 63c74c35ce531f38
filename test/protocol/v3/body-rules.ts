import { describe, expect, test } from "vitest";
import type { z } from "zod";

export interface BodyRules {
  schema: z.ZodType;
  good: Record<string, unknown>[];
  bad: Record<string, unknown>[];
  /** The fields that may be null, which takes away what they say. */
  nullable?: string[];
  /** What an agent sends, which may be newer than who reads it. */
  ofAgent?: true;
}

/** What holds for every body and query of v3, beside what is good and bad of each. */
export function describeBodies(bodies: Readonly<Record<string, BodyRules>>): void {
  for (const [title, { schema, good, bad, nullable = [], ofAgent }] of Object.entries(bodies)) {
    describe(`v3 ${title}`, () => {
      test.for(good)("may say %j", (body) => {
        expect(schema.parse(body)).toEqual(body);
      });

      test.for(bad)("may not say %j", (body) => {
        expect(schema.safeParse(body).success).toBe(false);
      });

      if (ofAgent) {
        test("ignores a field that it does not know", () => {
          for (const body of good) expect(schema.parse({ ...body, newer: { than: "this" } })).toEqual(body);
        });
      } else {
        test("refuses a field that it does not know, by its name", () => {
          const parsed = schema.safeParse({ ...good[0], misspelt: true });
          expect(parsed.success ? "" : parsed.error.message).toContain("misspelt");
        });
      }

      test("takes null for nothing but what can be taken away", () => {
        for (const body of good) {
          for (const field of Object.keys(body)) {
            const parsed = schema.safeParse({ ...body, [field]: null });
            expect({ field, allowed: parsed.success }).toEqual({ field, allowed: nullable.includes(field) });
          }
        }
      });

      test.for([null, [], "text", 1, true])("is not %j", (body) => {
        expect(schema.safeParse(body).success).toBe(false);
      });
    });
  }
}
