import { expect, test } from "vitest";
import { StopRequests } from "../../src/cli/stop-requests.ts";

test("a signal that comes twice at once asks to stop once", () => {
  const requests = new StopRequests();
  expect([requests.ask(1000), requests.ask(1003), requests.ask(1004)]).toEqual(["stop", "same", "same"]);
});

test("who asks again does not want to wait", () => {
  const requests = new StopRequests();
  expect([requests.ask(1000), requests.ask(1003), requests.ask(2000)]).toEqual(["stop", "same", "leave"]);
});
