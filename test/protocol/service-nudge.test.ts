import { expect, test } from "vitest";
import { serviceNudge } from "../../src/protocol/service-nudge.ts";

test.for([[], ["backends"], ["environments", "images"]])(
  "a service's followers may read of %j",
  (changed) => {
    expect(serviceNudge.parse({ changed })).toEqual({ changed });
  },
);

test.for([{}, { changed: "images" }, { changed: ["tags"] }, { changed: [""] }, { changed: null }])(
  "%j is no nudge",
  (message) => {
    expect(serviceNudge.safeParse(message).success).toBe(false);
  },
);
