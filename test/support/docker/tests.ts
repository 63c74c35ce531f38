import { onTestFinished } from "vitest";
import type { DockerRuntimeOptions } from "../../../src/agent/runtimes/docker/docker.ts";
import type { Runtime, StartSpec } from "../../../src/agent/runtimes/runtime.ts";
import { share } from "../shared.ts";
import type { DockerEngineOptions } from "./engine.ts";
import { type DockerPlaces, startBackend, startDockerPlaces, startSpec } from "./place.ts";
import type { DockerImageName } from "./runtime-images.ts";

/**
 * Gives the tests of a file an engine of their own, from the first to the last of them. Where there is no engine they
 * are skipped, with the reason.
 */
export function useDockerPlaces(options?: DockerEngineOptions) {
  let started: DockerPlaces | undefined;
  share({
    programs: ["dockerd", "docker", "busybox"],
    async start(stack) {
      started = stack.use(await startDockerPlaces(options));
    },
  });

  const places = (): DockerPlaces => {
    if (!started) throw new Error("the engine is there within tests only");
    return started;
  };
  const spec = (image: DockerImageName, changes: Partial<StartSpec> = {}) =>
    startSpec(places().images[image], changes);
  return {
    places,
    spec,
    /** A runtime with a scope of its own, whose containers are removed after the test. */
    async makePlace(runtimeOptions?: Partial<DockerRuntimeOptions>) {
      const place = await places().makePlace(runtimeOptions);
      onTestFinished(() => place[Symbol.asyncDispose]());
      return { ...place, runtime: place.open() };
    },
    start: (runtime: Runtime, image: DockerImageName, changes: Partial<StartSpec> = {}) =>
      startBackend(runtime, spec(image, changes)),
  };
}
