import { z } from "zod";

const notesMaxCharacters = 4000;

/** What a browser says. */
const said = z.discriminatedUnion("type", [
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
    this.#tell(this.#visitors);
  }

  leave(visitor: Visitor): void {
    this.#visitors.delete(visitor);
    this.#tell(this.#visitors);
  }

  /** Takes what a visitor's browser sent; anything that makes no sense is ignored. */
  hear(visitor: Visitor, text: string): void {
    const message = said.safeParse(parseJson(text));
    if (!message.success) return;
    if (message.data.type === "add") {
      this.#count++;
      this.#tell(this.#visitors);
    } else if (this.#hasNotes) {
      this.#notes = message.data.text;
      // Its own text, come back late, would overwrite what the writer has typed since.
      this.#tell([...this.#visitors].filter((other) => other !== visitor));
    }
  }

  #tell(visitors: Iterable<Visitor>): void {
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
