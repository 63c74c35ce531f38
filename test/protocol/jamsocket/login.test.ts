import { describe, expect, test } from "vitest";
import {
  cliLoginAnswer,
  cliLoginStatus,
  completeCliLoginBody,
  userSession,
} from "../../../src/protocol/jamsocket/login.ts";

describe("the code that a person copies", () => {
  test.for(["0000", "4711"])("may be %j", (code) => {
    expect(completeCliLoginBody.parse({ code })).toEqual({ code });
  });

  test.for(["", "471", "47110", "a4711", "4711 ", " 4711", "47a1", "4711\n", "٤٧١١", 4711, null, undefined])(
    "may not be %j, and the refusal says what it is",
    (code) => {
      const parsed = completeCliLoginBody.safeParse({ code });
      expect(parsed.success).toBe(false);
      if (typeof code === "string") {
        expect(parsed.error?.issues[0]?.message).toBe("the code is the four digits that the page shows");
      }
    },
  );
});

describe("what the CLI's login is answered", () => {
  test("is the attempt's token first", () => {
    expect(cliLoginAnswer.parse({ token: "a.b.c" })).toEqual({ token: "a.b.c" });
    expect(cliLoginAnswer.safeParse({}).success).toBe(false);
  });

  test.for([
    ["ok", true],
    ["expired", true],
    ["pending", false],
    ["", false],
    [null, false],
  ] as const)("may end in the status %j: %s", ([status, good]) => {
    expect(cliLoginStatus.safeParse({ status }).success).toBe(good);
  });

  const session = {
    uuid: "3f0c2b1e-58a1-4c5e-9d0e-1a2b3c4d5e6f",
    user_id: "3f9q7h3kq2m9",
    user_agent: "jamsocket-cli/0.10.7",
    created_at: "2026-11-23T09:00:00.000Z",
    expiration: "2026-12-23T09:00:00.000Z",
    token: "acme_3f9q7h3kq2m9.secret",
    user_is_admin: false,
  };

  test("is a session of somebody who is no admin", () => {
    expect(userSession.parse(session)).toEqual(session);
    expect(userSession.safeParse({ ...session, user_is_admin: true }).success).toBe(false);
    expect(userSession.safeParse({ ...session, expiration: "soon" }).success).toBe(false);
  });

  test.for(Object.keys(session))("is no session without its %s", (field) => {
    expect(userSession.safeParse({ ...session, [field]: undefined }).success).toBe(false);
  });
});
