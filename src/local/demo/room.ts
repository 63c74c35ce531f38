import { z } from "zod";

const notesMaxCharacters = 4000;

/** What a browser sends. */
const visitorMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("add") }),
  z.object({ type: z.literal("notes"), text: z.string().max(notesMaxCharacters) }),
]);

export interface Visitor {
  name: string;
  send(text: string): void;
}

/** Who is connected to this backend and what they share. It lives as long as the backend does. */
export class Room {
  readonly #hasNotes: boolean;
  readonly #visitors = new Set<Visitor>();
  #count = 0;
  #notes = "";

  constructor(options: { hasNotes: boolean }) {
    this.#hasNotes = options.hasNotes;
  }

  enter(visitor: Visitor): void {
    this.#visitors.add(visitor);
    this.#send(this.#visitors);
  }

  leave(visitor: Visitor): void {
    this.#visitors.delete(visitor);
    this.#send(this.#visitors);
  }

  /** Handles what a visitor's browser sent; what is malformed is ignored. */
  receive(visitor: Visitor, text: string): void {
    const message = visitorMessage.safeParse(parseJson(text));
    if (!message.success) return;
    if (message.data.type === "add") {
      this.#count++;
      this.#send(this.#visitors);
    } else if (this.#hasNotes) {
      this.#notes = message.data.text;
      // Echoed late, it would overwrite what its writer has typed since.
      this.#send([...this.#visitors].filter((other) => other !== visitor));
    }
  }

  #send(visitors: Iterable<Visitor>): void {
    const text = JSON.stringify({
      count: this.#count,
      people: Array.from(this.#visitors, ({ name }) => name),
      ...(this.#hasNotes ? { notes: this.#notes } : {}),
    });
    for (const visitor of visitors) visitor.send(text);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
