import type Docker from "dockerode";
import { z } from "zod";
import { callEngine, refusalOf, retryPauses, waitAnswer } from "./engine.ts";

/** It holds an error where the engine stopped waiting, for instance because it was shut down. */
const waited = z.object({
  StatusCode: z.int(),
  Error: z.object({ Message: z.string() }).nullish(),
});

/**
 * The exit code of a container, once it has ended; null where it is gone. Retries while the engine is away. Never
 * rejects, and does not keep this process running.
 */
export async function exitOf(docker: Docker, containerId: string): Promise<number | null> {
  for (const pause = retryPauses(); ; await pause()) {
    try {
      const { data } = waited.safeParse(await waitAnswer(docker, containerId));
      if (data && !data.Error) return data.StatusCode;
      const { State } = await callEngine((abortSignal) =>
        docker.getContainer(containerId).inspect({ abortSignal }),
      );
      if (!State.Running) return State.ExitCode;
    } catch (error) {
      if (refusalOf(error)?.status === 404) return null;
    }
  }
}
