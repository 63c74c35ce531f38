import { expect, test } from "vitest";
import { StopRequests } from "../../src/cli/stop-requests.ts";

test("a signal that is received twice at once requests one stop", () => {
  const requests = new StopRequests();
  expect([requests.receive(1000), requests.receive(1003), requests.receive(1004)]).toEqual([
    "stop",
    "same",
    "same",
  ]);
});

test("a second request to stop is one to leave at once", () => {
  const requests = new StopRequests();
  expect([requests.receive(1000), requests.receive(1003), requests.receive(2000)]).toEqual([
    "stop",
    "same",
    "leave",
  ]);
});
