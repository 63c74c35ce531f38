import { expect, test } from "vitest";
import { Room } from "../../../src/local/demo/room.ts";

function visitor(name: string) {
  const received: unknown[] = [];
  return { name, received, send: (text: string) => void received.push(JSON.parse(text)) };
}

test("everyone in a room is sent who comes and goes, and the counter", () => {
  const room = new Room({ hasNotes: false });
  const [ada, bob] = [visitor("ada"), visitor("bob")];
  room.enter(ada);
  room.enter(bob);
  room.receive(bob, '{"type":"add"}');
  room.leave(bob);
  expect(ada.received).toEqual([
    { count: 0, people: ["ada"] },
    { count: 0, people: ["ada", "bob"] },
    { count: 1, people: ["ada", "bob"] },
    { count: 1, people: ["ada"] },
  ]);
  expect(bob.received).toHaveLength(2);
});

test("notes are sent to everyone but their writer, and to who comes later", () => {
  const room = new Room({ hasNotes: true });
  const [ada, bob, late] = [visitor("ada"), visitor("bob"), visitor("late")];
  room.enter(ada);
  room.enter(bob);
  ada.received.length = 0;
  room.receive(ada, '{"type":"notes","text":"milk"}');
  expect(ada.received).toEqual([]);
  expect(bob.received.at(-1)).toMatchObject({ notes: "milk" });
  room.enter(late);
  expect(late.received).toEqual([{ count: 0, people: ["ada", "bob", "late"], notes: "milk" }]);
});

test.each([
  "",
  "{",
  "null",
  '{"type":"reset"}',
  '{"type":"notes","text":1}',
  '{"type":"notes","text":"v2 only"}',
])("%j changes nothing in a room without notes", (text) => {
  const room = new Room({ hasNotes: false });
  const ada = visitor("ada");
  room.enter(ada);
  room.receive(ada, text);
  expect(ada.received).toEqual([{ count: 0, people: ["ada"] }]);
});
