import { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import type Docker from "dockerode";
import { z } from "zod";
import { fail, type Result } from "../../../domain/result.ts";
import { hasCode, messageOf } from "../../log.ts";

/** What the engine answered to a request that it did not do. */
export interface Refusal {
  status: number;
  /** In the engine's own words. */
  message: string;
}

/** A refusal as dockerode throws it: `json` is the answer's body, where that was not read as a stream. */
const thrownRefusal = z.object({
  statusCode: z.int(),
  message: z.string(),
  json: z.object({ message: z.string() }).optional().catch(undefined),
});

/** Reads what a call of dockerode threw. @returns null where the engine gave no answer */
export function refusalOf(error: unknown): Refusal | null {
  const { data } = thrownRefusal.safeParse(error);
  if (!data) return null;
  const words = data.json?.message ?? data.message.replace(/^\(HTTP code \d+\) .*? - /s, "");
  return { status: data.statusCode, message: words.trim() };
}

/** Whether an error says that the request never reached an engine: then it has done nothing. */
export function neverReached(error: unknown): boolean {
  return ["ECONNREFUSED", "ENOENT", "EACCES", "ENOTFOUND"].some((code) => hasCode(error, code));
}

/** A failed call as a failure to show. @param what could not be done */
export function failureOf(what: string, error: unknown): Result<never> {
  const refusal = refusalOf(error);
  return refusal
    ? fail("internal_error", `${what}: ${refusal.message}`)
    : fail("unavailable", `${what}: the container engine gave no answer: ${messageOf(error)}`);
}

/** The longest that the engine may take to answer: starting a container on a busy machine takes a while. */
export const answerWithinMs = 120_000;

/**
 * Calls the engine. dockerode leaves a call for ever unsettled when the connection is cut in the middle of the
 * answer: this rejects after a time, and when the signal is aborted.
 * @param call gets the signal for requests that are read at once; streams must not be ended by the time limit
 */
export async function callEngine<T>(
  call: (abortSignal: AbortSignal) => Promise<T>,
  signal: AbortSignal = new AbortController().signal,
): Promise<T> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]);
  limited.throwIfAborted();
  const cut = Promise.withResolvers<never>();
  const giveUp = () => cut.reject(limited.reason);
  limited.addEventListener("abort", giveUp);
  try {
    return await Promise.race([call(limited), cut.promise]);
  } finally {
    limited.removeEventListener("abort", giveUp);
  }
}

/** What dockerode types as a stream of no particular kind. @param signal ends the stream when it is aborted */
export function asReadable(stream: unknown, signal: AbortSignal): Readable {
  if (!(stream instanceof Readable)) throw new Error("the container engine's answer is no stream");
  const end = () => void stream.destroy();
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  stream.once("close", () => signal.removeEventListener("abort", end));
  return stream;
}

/** It is an exit code, and a message where the engine failed. */
const waitAnswerMaxCharacters = 64 * 1024;

/**
 * Waits until a container has ended, by a request that the engine answers only then.
 * @returns what it answered. Rejects when the connection is cut before. Does not keep this process running
 */
export async function waitAnswer(docker: Docker, containerId: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  docker.modem.dial(
    {
      path: `/containers/${containerId}/wait`,
      method: "POST",
      // As a stream, whose cut is noticed: the engine sends the head of this answer at once.
      isStream: true,
      statusCodes: { 200: true },
    },
    (error, answer) => (error ? reject(error) : resolve(answer)),
  );
  const answer = await promise;
  if (!(answer instanceof IncomingMessage)) throw new Error("the container engine's answer is no stream");
  answer.socket.unref();
  let text = "";
  for await (const piece of answer.setEncoding("utf8")) {
    text += piece;
    if (text.length > waitAnswerMaxCharacters) throw new Error("the container engine's answer has no end");
  }
  return JSON.parse(text);
}

const retryFirstMs = 100;
const retryLongestMs = 5_000;

/** Pauses between attempts to reach an engine that is away, each longer. They do not keep this process running. */
export function retryPauses(): (signal?: AbortSignal) => Promise<void> {
  let ms = retryFirstMs;
  return async (signal) => {
    const pause = ms;
    ms = Math.min(ms * 2, retryLongestMs);
    await wait(pause, null, { ref: false, ...(signal && { signal }) }).catch(() => undefined);
  };
}
