import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { sseHeaders } from "../../protocol/sse.ts";
import { type Log, messageOf } from "../log.ts";

/** Proxies close a connection that is idle for a minute or so. */
const keepAliveEveryMs = 15_000;

/**
 * Sends server-sent events with backpressure, and an empty line as a keep-alive. Ends with the events or when the
 * client has left; where the events fail, the answer breaks off. Never rejects.
 */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncIterable<string>,
  log: Log,
): Promise<void> {
  response.writeHead(200, sseHeaders);
  response.flushHeaders();
  const keepAlive = setInterval(() => {
    if (response.writable && !response.writableNeedDrain) response.write("\n");
  }, keepAliveEveryMs);
  let clientLeft = false;
  response.once("close", () => {
    clientLeft = !response.writableFinished;
    clearInterval(keepAlive);
  });
  try {
    await pipeline(events, response);
  } catch (error) {
    if (!clientLeft) log("output.failed", { error: messageOf(error) });
    response.destroy();
  }
}
