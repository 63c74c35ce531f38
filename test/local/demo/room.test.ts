import { expect, test } from "vitest";
import { Room } from "../../../src/local/demo/room.ts";

function visitor(name: string) {
  const heard: unknown[] = [];
  return { name, heard, send: (text: string) => void heard.push(JSON.parse(text)) };
}

test("everybody in a room is told of each who comes and goes, and of the counter", () => {
  const room = new Room({ hasNotes: false });
  const [ada, bob] = [visitor("ada"), visitor("bob")];
  room.enter(ada);
  room.enter(bob);
  room.hear(bob, '{"type":"add"}');
  room.leave(bob);
  expect(ada.heard).toEqual([
    { count: 0, people: ["ada"] },
    { count: 0, people: ["ada", "bob"] },
    { count: 1, people: ["ada", "bob"] },
    { count: 1, people: ["ada"] },
  ]);
  expect(bob.heard).toHaveLength(2);
});

test("notes reach everybody but their writer, and whoever comes later", () => {
  const room = new Room({ hasNotes: true });
  const [ada, bob, late] = [visitor("ada"), visitor("bob"), visitor("late")];
  room.enter(ada);
  room.enter(bob);
  ada.heard.length = 0;
  room.hear(ada, '{"type":"notes","text":"milk"}');
  expect(ada.heard).toEqual([]);
  expect(bob.heard.at(-1)).toMatchObject({ notes: "milk" });
  room.enter(late);
  expect(late.heard).toEqual([{ count: 0, people: ["ada", "bob", "late"], notes: "milk" }]);
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
  room.hear(ada, text);
  expect(ada.heard).toEqual([{ count: 0, people: ["ada"] }]);
});
