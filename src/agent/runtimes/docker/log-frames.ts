import type { Readable } from "node:stream";

/** Which stream it is, three zeros, the length of what follows. */
const headerBytes = 8;
/** Log drivers cut lines at 16 KiB, or at 1 MiB. */
const frameMaxBytes = 16 * 1024 * 1024;

export interface LogFrame {
  stream: "stdout" | "stderr";
  /** When it was written, in a form whose order is that of time: RFC 3339 with nine digits of the second, in UTC. */
  time: string;
  content: Buffer;
}

const streamNumbers: Readonly<Record<number, LogFrame["stream"]>> = { 1: "stdout", 2: "stderr" };

/** Demultiplexes both streams of a container's log, requested with timestamps. Rejects for a frame that is none. */
export async function* logFrames(source: Readable): AsyncGenerator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < headerBytes) break;
      const length = rest.readUInt32BE(4);
      if (length > frameMaxBytes) throw new Error(`a frame of the log has ${length} bytes`);
      const end = headerBytes + length;
      if (rest.length < end) break;
      const stream = streamNumbers[rest.readUInt8(0)];
      const payload = rest.subarray(headerBytes, end);
      rest = rest.subarray(end);
      const space = payload.indexOf(" ");
      if (stream === undefined || space < 0) continue;
      yield { stream, time: payload.toString("latin1", 0, space), content: payload.subarray(space + 1) };
    }
  }
}
