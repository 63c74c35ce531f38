import { expect, test } from "vitest";
import { pullFailure } from "../../../../src/agent/runtimes/docker/pull.ts";

test.for([
  ["manifest for r/hello@sha256:00 not found: manifest unknown: no such manifest", "image_not_found"],
  ["no matching manifest for linux/arm64/v8 in the manifest list entries", "image_not_found"],
  ["name unknown: repository name not known to registry", "image_not_found"],
  [
    "pull access denied for r/hello, repository does not exist or may require 'docker login': denied: no",
    "forbidden",
  ],
  ['Get "https://r/v2/": unauthorized: authentication required', "forbidden"],
  ["no basic auth credentials", "forbidden"],
  ['Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused', "unavailable"],
  ["received unexpected HTTP status: 503 Service Unavailable", "unavailable"],
  ["write /var/lib/docker/tmp/x: no space left on device", "unavailable"],
] as const)("%s: %s", ([words, code]) => {
  expect(pullFailure("the image", words)).toEqual({
    ok: false,
    error: { code, message: `the image: ${words}` },
  });
});
