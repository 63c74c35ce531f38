import { afterAll, beforeAll, beforeEach, describe } from "vitest";
import { runtimeCases } from "../agent/runtimes/runtime.case.ts";
import { type DockerPlaces, startDockerPlaces } from "../support/docker-place.ts";
import { whyNotWith } from "../support/programs.ts";

const whyNot = whyNotWith("dockerd", "docker", "busybox");
let places: DockerPlaces;

beforeAll(async () => {
  if (whyNot === null) places = await startDockerPlaces();
});
afterAll(() => places?.[Symbol.asyncDispose]());
beforeEach(({ skip }) => skip(whyNot !== null, whyNot ?? ""));

describe("the docker runtime", () => {
  // A network for each case would be half of the time.
  const subject = () => ({ ...places, makePlace: () => places.makePlace({ network: "slipway-cases" }) });
  runtimeCases(subject, {
    "a soft stop right after the start reaches the backend":
      "the kernel keeps from the first process of a container signals that it does not handle yet",
  });
});
