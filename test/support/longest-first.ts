import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * The files that take the longest, the longest first. Vitest knows of a file that it has not run yet only its size,
 * and one of these at the end of a run would have a worker to itself while the others are done.
 */
const longest = [
  "e2e/failures/partition",
  "e2e/failures/kill-anything",
  "e2e/docker/guard",
  "e2e/failures/full-agent-disk",
  "agent/guard/guard",
  "e2e/npm-start",
  "e2e/failures/holders",
  "objects/cuts",
  "objects/service/message-order",
  "edge/pages/frame/bounded",
  "agent/disk/each-write",
  "agent/backends/cuts",
  "e2e/docker/runtime-cases",
  "e2e/pages/access",
  "e2e/registry/docker",
  "e2e/registry/stalled",
  "e2e/docker/backends",
  "e2e/docker/deployment",
  "e2e/pages/size",
  "e2e/safe-deploys",
  "e2e/jamsocket/cli",
];

/** Runs the longest files first, and then all others as Vitest orders them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
      return place === -1 ? longest.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
