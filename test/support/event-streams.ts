import { get } from "node:http";

/** A server-sent event stream as it comes in over a connection of its own. */
export interface EventStream {
  /** The data of each event so far. */
  events: string[];
  /** How many empty lines came between the events. */
  emptyLines: number;
  /** Whether it is over: ended by the server, or broken off. */
  isOver: boolean;
  /** Closes the connection, as somebody does who closes a page. */
  leave(): void;
}

/** Opens a stream and resolves with its first event. Fails if it is refused, or over before. */
export function openEventStream(url: string): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, headers: { accept: "text/event-stream" } }, (response) => {
      const stream: EventStream = {
        events: [],
        emptyLines: 0,
        isOver: false,
        leave: () => request.destroy(),
      };
      let rest = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        readLines(stream, lines);
        if (stream.events.length > 0) resolve(stream);
      });
      response.on("error", () => {});
      response.on("close", () => {
        stream.isOver = true;
        reject(new Error(`${url}: ${response.statusCode}, over without an event`));
      });
    });
    request.on("error", reject);
  });
}

function readLines(stream: EventStream, lines: readonly string[]): void {
  for (const line of lines) {
    if (line.startsWith("data: ")) {
      stream.events.push(line.slice("data: ".length));
      // The line that ends an event is not one between events.
      stream.emptyLines -= 1;
    } else if (line === "") {
      stream.emptyLines += 1;
    } else {
      throw new Error(`a line that the clients warn of: ${line}`);
    }
  }
}
