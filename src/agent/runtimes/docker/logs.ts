import type Docker from "dockerode";
import { outputLines } from "../output-lines.ts";
import { asReadable, callEngine, refusalOf, retryPauses } from "./engine.ts";
import { logFrames } from "./log-frames.ts";
import { LogPlace } from "./log-place.ts";

/**
 * The lines of a container's output, from the first that the engine has. Goes on where it was when the engine has
 * been away. Ends when the container has ended or is gone, or the signal is aborted.
 */
export async function* containerLogs(
  docker: Docker,
  containerId: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const container = docker.getContainer(containerId);
  const lines: string[] = [];
  const output = {
    stdout: outputLines((line) => lines.push(line)),
    stderr: outputLines((line) => lines.push(line)),
  };
  const place = new LogPlace();
  const options = { follow: true, stdout: true, stderr: true, timestamps: true } as const;

  for (const pause = retryPauses(); !signal.aborted; await pause(signal)) {
    try {
      const { State } = await callEngine((abortSignal) => container.inspect({ abortSignal }), signal);
      const since = place.resume();
      const answer = await callEngine(() => container.logs({ ...options, ...(since && { since }) }), signal);
      for await (const frame of logFrames(asReadable(answer, signal))) {
        if (!place.advance(frame)) continue;
        output[frame.stream].push(frame.content);
        yield* lines.splice(0);
      }
      // What is read of a container while it ends may lack its last lines: engines stop following too early.
      if (!State.Running) break;
    } catch (error) {
      const status = refusalOf(error)?.status;
      if (status === 404 || status === 409) break;
    }
  }
  output.stdout.end();
  output.stderr.end();
  if (!signal.aborted) yield* lines;
}
