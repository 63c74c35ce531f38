import { describe } from "vitest";
import { runtimeCases } from "../../agent/runtimes/runtime.case.ts";
import { useDockerPlaces } from "../../support/docker/tests.ts";

const { places } = useDockerPlaces();

describe("the docker runtime", () => {
  // A network for each case would be half of the time.
  const subject = () => ({ ...places(), makePlace: () => places().makePlace({ network: "slipway-cases" }) });
  runtimeCases(subject, {
    "a soft stop right after the start reaches the backend":
      "the kernel keeps from the first process of a container signals that it does not handle yet",
  });
});
