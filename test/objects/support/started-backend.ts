import { startBackend as startAndSpeakFor } from "./backend.ts";
import { setUp } from "./service.ts";

type Hello = Awaited<ReturnType<typeof setUp>>;

/** A service with an image and one backend of it. */
export async function setUpBackend(key = "doc") {
  const hello = await setUp();
  await hello.push(1, "latest");
  return { hello, ...(await startBackend(hello, key)) };
}

/** Starts a backend, and says how a heartbeat would list it. */
export async function startBackend(hello: Hello, key?: string) {
  const { backendId, fencingToken, describe } = await startAndSpeakFor(hello, key);
  return {
    backendId,
    reported: { id: backendId, status: "ready", fencing_token: fencingToken } as const,
    history: async () => (await describe()).history,
  };
}
