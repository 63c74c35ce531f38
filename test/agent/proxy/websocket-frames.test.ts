import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameTracker, OwnPongs, opcodes, pingFrame } from "../../../src/agent/proxy/websocket-frames.ts";

interface Frame {
  opcode: number;
  /** FIN and the three bits of extensions. */
  bits: number;
  payload: Uint8Array;
  mask: Uint8Array | null;
}

/** A frame's bytes (RFC 6455 5.2). */
function encode({ opcode, bits, payload, mask }: Frame): Buffer {
  const { length } = payload;
  const masked = mask ? 0x80 : 0;
  const head = Buffer.alloc(length < 126 ? 2 : length < 0x10000 ? 4 : 10);
  head[0] = bits | opcode;
  if (head.length === 2) head[1] = masked | length;
  else if (head.length === 4) {
    head[1] = masked | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = masked | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  const body = payload.map((byte, i) => byte ^ (mask?.[i % 4] ?? 0));
  return Buffer.concat([head, mask ?? Buffer.alloc(0), body]);
}

const bytes = (lengths: { minLength: number; maxLength: number }) => fc.uint8Array(lengths);
const mask = bytes({ minLength: 4, maxLength: 4 });
const lengthOfMessage = fc.oneof(
  { weight: 8, arbitrary: fc.nat(200) },
  { weight: 1, arbitrary: fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000) },
);
const messageFrame = fc
  .record({ opcode: fc.constantFrom(0, 1, 2), bits: fc.nat(15), length: lengthOfMessage, fill: fc.nat(255) })
  .map(({ opcode, bits, length, fill }) => ({
    opcode,
    bits: bits << 4,
    payload: new Uint8Array(length).fill(fill),
  }));
const controlFrame = fc.record({
  opcode: fc.constantFrom(opcodes.close, opcodes.ping, opcodes.pong),
  bits: fc.constant(0x80),
  payload: bytes({ minLength: 0, maxLength: 125 }),
});
const anyFrame = fc.oneof(messageFrame, controlFrame);

/** Cuts bytes where the drawn numbers say. */
function cut(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((place) => place % (whole.length + 1)), whole.length].sort((a, b) => a - b);
  return places.slice(1).map((place, i) => whole.subarray(places[i], place));
}

const cuts = fc.array(fc.nat(), { maxLength: 20 });

test.for([true, false])("the ends of frames are found however they are cut (masked: %s)", (isMasked) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyFrame, mask), { maxLength: 12 }), cuts, (drawn, at) => {
      const frames = drawn.map(([frame, key]) => encode({ ...frame, mask: isMasked ? key : null }));
      const ends = new Set(
        frames.map((_, i) => frames.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0)),
      );
      const tracker = new FrameTracker(isMasked);
      const seen: number[] = [];
      const found = new Set<number>();
      let before = 0;
      for (const chunk of cut(Buffer.concat(frames), at)) {
        let place = 0;
        while (place < chunk.length) {
          place = tracker.consume(chunk, place, (opcode) => seen.push(opcode));
          if (tracker.isBetweenFrames) found.add(before + place);
        }
        before += chunk.length;
      }
      expect(found).toEqual(ends);
      expect(seen).toEqual(drawn.map(([{ opcode }]) => opcode));
    }),
  );
});

test("a client's own Pongs are taken out, and every other byte passes in its order", () => {
  const payload = Buffer.from("8 bytes.");
  const own = mask.map((key) => ({
    own: true,
    frame: { opcode: opcodes.pong, bits: 0x80, payload, mask: key },
  }));
  const almost = fc
    .tuple(mask, fc.constantFrom({ opcode: opcodes.ping }, { bits: 0 }, { payload: payload.subarray(1) }))
    .map(([key, change]) => ({
      own: false,
      frame: {
        opcode: opcodes.pong as number,
        bits: 0x80,
        payload: new Uint8Array(payload),
        mask: key,
        ...change,
      },
    }));
  const other = fc
    .tuple(anyFrame, mask)
    .map(([frame, key]) => ({ own: false, frame: { ...frame, mask: key } }));
  fc.assert(
    fc.property(fc.array(fc.oneof(own, almost, other), { maxLength: 12 }), cuts, (drawn, at) => {
      // A control frame that is not final is no frame of WebSockets: all after it passes as it is.
      const firstBroken = drawn.findIndex(({ frame }) => frame.opcode >= 8 && frame.bits === 0);
      const isTaken = (i: number) => drawn[i]?.own && (firstBroken === -1 || i < firstBroken);
      const sent = drawn.map(({ frame }) => encode(frame));
      const filter = new OwnPongs(payload);
      const passed = cut(Buffer.concat(sent), at).flatMap((chunk) => filter.pass(chunk));
      const expected = Buffer.concat(sent.filter((_, i) => !isTaken(i)));
      expect(Buffer.concat([...passed, filter.rest()]).equals(expected)).toBe(true);
    }),
  );
});

test("bytes that are no frames pass as they are, and have no end", () => {
  fc.assert(
    fc.property(bytes({ minLength: 0, maxLength: 400 }), cuts, (sent, at) => {
      const filter = new OwnPongs(Buffer.from("8 bytes."));
      const passed = cut(Buffer.from(sent), at).flatMap((chunk) => filter.pass(chunk));
      expect(Buffer.concat([...passed, filter.rest()]).equals(Buffer.from(sent))).toBe(true);
    }),
  );
  for (const first of [0x83, 0x87, 0x8b, 0x8f, 0x09]) {
    const tracker = new FrameTracker(false);
    expect(tracker.consume(Buffer.from([first, 0, 0x81, 0]), 0)).toBe(4);
    expect(tracker.isBetweenFrames).toBe(false);
  }
});

test("a Ping is one that a WebSocket takes for one", () => {
  expect(pingFrame(Buffer.from("abc"))).toEqual(
    encode({ opcode: opcodes.ping, bits: 0x80, payload: Buffer.from("abc"), mask: null }),
  );
});
