import { expect, test } from "vitest";
import { files, withoutComments } from "./support/rooms/imports.ts";

/*
 * A stream of events ends with the credential that opened it, which is the work of `eventsWhileAdmitted`. What answers
 * with such a stream by itself is named here, with the reason why nobody's credential can end meanwhile.
 */
const exceptions: { path: string; reason: string }[] = [
  { path: "edge/streams/while-admitted.ts", reason: "it is what all others call" },
  { path: "edge/streams/status-stream.ts", reason: "statuses are public: they need no credential" },
  { path: "edge/api/routes/v1-logins.ts", reason: "whoever waits for a login has no credential yet" },
  { path: "edge/pages/frame/stream-events.ts", reason: "one event, and its end" },
  { path: "edge/pages/backend/output-stream.ts", reason: "one event that says why there is no output" },
];

const answering = files.filter(
  ({ path, text }) => path.startsWith("edge/") && /headers: sseHeaders\b/.test(withoutComments(text)),
);

test("every stream of events is answered while its reader is admitted, but for those that are named", () => {
  expect(answering.map(({ path }) => path).toSorted()).toEqual(exceptions.map(({ path }) => path).toSorted());
});
