import { describe, expect, test } from "vitest";
import { ociIndexType } from "../../../src/domain/registry/media-types.ts";
import { readRegistryEvents, registryEventsBody } from "../../../src/protocol/v3/registry-events.ts";

const digest = `sha256:${"a".repeat(64)}`;
const otherDigest = `sha512:${"b".repeat(128)}`;
function read(notification: unknown, delivery?: string) {
  const { images, ignored } = readRegistryEvents(registryEventsBody.parse(notification), delivery);
  return { pushes: images.map(({ push }) => push), notices: images.map(({ notice }) => notice), ignored };
}

const distributionEvent = {
  id: "320678d8-ca14-430f-8bb6-4ca139cd83f7",
  timestamp: "2026-03-09T14:44:26.402973972-08:00",
  action: "push",
  target: {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    size: 708,
    digest,
    repository: "acme/hello",
    tag: "v12",
  },
  request: { id: "6df24a34", host: "registry.example.com:5000", method: "PUT" },
  actor: {},
};

const harborEvent = {
  type: "PUSH_ARTIFACT",
  occur_at: 1_772_000_000,
  operator: "admin",
  event_data: {
    resources: [{ digest, tag: "v12", resource_url: "harbor.example.com/acme/hello:v12" }],
    repository: { name: "hello", namespace: "acme", repo_full_name: "acme/hello", repo_type: "private" },
  },
};

/** A push of Harbor's with other facts. */
const harborOf = (resource: { tag?: string; resource_url?: string }) => ({
  ...harborEvent,
  event_data: { resources: [{ digest, ...resource }] },
});
const fromHarbor = {
  digest,
  repository: "h.example.com:8443/acme/hello",
  pushed_at: "2026-02-25T06:13:20.000Z",
};

const githubEvent = {
  action: "published",
  registry_package: {
    name: "hello",
    package_type: "CONTAINER",
    package_version: {
      version: digest,
      created_at: "2026-03-09T14:44:26Z",
      package_url: "ghcr.example.com/acme/hello:v12",
      container_metadata: { tag: { name: "v12", digest } },
    },
  },
  sender: { login: "ada" },
};

/** A push of GitHub's with few facts. */
const githubOf = (version: object) => ({
  action: "published",
  registry_package: { package_version: { version: digest, ...version } },
});

const amazonEvent = {
  version: "0",
  "detail-type": "ECR Image Action",
  source: "aws.ecr",
  account: "123456789012",
  time: "2026-03-09T14:44:26Z",
  region: "eu-west-1",
  resources: [],
  detail: {
    result: "SUCCESS",
    "repository-name": "acme/hello",
    "image-digest": digest,
    "action-type": "PUSH",
    "image-tag": "v12",
  },
};

describe("a push that is notified by", () => {
  test.each([
    ["CNCF distribution", { events: [distributionEvent] }, "registry.example.com:5000/acme/hello"],
    ["Harbor", harborEvent, "harbor.example.com/acme/hello"],
    ["GitHub", githubEvent, "ghcr.example.com/acme/hello"],
    ["Amazon ECR", amazonEvent, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/hello"],
  ])("%s is read with its digest, tag, repository and time", (_, notification, repository) => {
    const { pushes, ignored } = read(notification);
    expect(pushes).toMatchObject([{ digest, tag: "v12", repository }]);
    expect(Date.parse(pushes[0]?.pushed_at ?? "")).toBeGreaterThan(Date.parse("2026-01-01"));
    expect(ignored).toBe(0);
  });
});

describe("what is recorded of a push by", () => {
  test.each([
    [
      "CNCF distribution, whose host has a port and whose time an offset",
      { events: [distributionEvent] },
      {
        digest,
        tag: "v12",
        repository: "registry.example.com:5000/acme/hello",
        media_type: "application/vnd.oci.image.manifest.v1+json",
        pushed_at: "2026-03-09T22:44:26.402Z",
      },
    ],
    [
      "CNCF distribution without the request, the tag and the media type",
      {
        events: [{ ...distributionEvent, target: { digest, repository: "acme/hello" }, request: undefined }],
      },
      { digest, pushed_at: "2026-03-09T22:44:26.402Z" },
    ],
    [
      "CNCF distribution without the request's host",
      { events: [{ ...distributionEvent, request: {} }] },
      {
        digest,
        tag: "v12",
        media_type: "application/vnd.oci.image.manifest.v1+json",
        pushed_at: "2026-03-09T22:44:26.402Z",
      },
    ],
    [
      "Harbor",
      harborEvent,
      {
        digest,
        tag: "v12",
        repository: "harbor.example.com/acme/hello",
        pushed_at: "2026-02-25T06:13:20.000Z",
      },
    ],
    [
      "Harbor by a reference with a port and a digest",
      harborOf({ resource_url: `h.example.com:8443/acme/hello:v12@${digest}` }),
      fromHarbor,
    ],
    [
      "Harbor by a reference with a port and no tag",
      harborOf({ resource_url: "h.example.com:8443/acme/hello" }),
      fromHarbor,
    ],
    [
      "Harbor by a reference with a digest only",
      harborOf({ resource_url: `h.example.com:8443/acme/hello@${digest}` }),
      fromHarbor,
    ],
    ["Harbor without a reference", harborOf({}), { digest, pushed_at: "2026-02-25T06:13:20.000Z" }],
    [
      "Harbor with an empty one",
      harborOf({ resource_url: "" }),
      { digest, pushed_at: "2026-02-25T06:13:20.000Z" },
    ],
    [
      "GitHub, also of a version that was pushed again",
      { ...githubEvent, action: "updated" },
      {
        digest,
        tag: "v12",
        repository: "ghcr.example.com/acme/hello",
        pushed_at: "2026-03-09T14:44:26.000Z",
      },
    ],
    ["GitHub by its version alone", githubOf({}), { digest }],
    ["GitHub by its version, without a tag", githubOf({ container_metadata: {} }), { digest }],
    [
      "GitHub by its tag rather than its version",
      githubOf({ container_metadata: { tag: { name: "v12", digest: otherDigest } } }),
      { digest: otherDigest, tag: "v12" },
    ],
    [
      "Amazon ECR without a result and a tag",
      {
        ...amazonEvent,
        detail: { "repository-name": "acme/hello", "image-digest": digest, "action-type": "PUSH" },
      },
      {
        digest,
        repository: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/hello",
        pushed_at: "2026-03-09T14:44:26.000Z",
      },
    ],
  ])("%s", (_, notification, push) => {
    const { pushes, ignored } = read(notification);
    expect(pushes).toStrictEqual([push]);
    expect(ignored).toBe(0);
  });
});

test.each(["", ".v12", "v 12", "x".repeat(129), digest])(
  "a push under %j, which is no tag of OCI's, is recorded without one",
  (tag) => {
    expect(read(harborOf({ tag })).pushes).toStrictEqual([{ digest, pushed_at: "2026-02-25T06:13:20.000Z" }]);
  },
);

test("a push at a time that is none is recorded without one", () => {
  const { pushes } = read(githubOf({ created_at: "the day before" }));
  expect(pushes).toStrictEqual([{ digest }]);
});

describe("what is no image is recorded as what it is, where a notification says so:", () => {
  const media_type = "application/vnd.oci.image.manifest.v1+json";
  const config = "application/vnd.oci.image.config.v1+json";
  const helm = "application/vnd.cncf.helm.config.v1+json";
  const layer = "application/vnd.oci.image.layer.v1.tar+gzip";
  const distributed = (target: object) => ({
    events: [{ ...distributionEvent, target: { ...distributionEvent.target, ...target } }],
  });
  const references = (...types: string[]) => types.map((mediaType) => ({ mediaType, size: 2, digest }));
  const github = (manifest: object) =>
    githubOf({ container_metadata: { tag: { name: "v12", digest }, manifest: { media_type, ...manifest } } });
  const amazon = (types: object) => ({ ...amazonEvent, detail: { ...amazonEvent.detail, ...types } });

  test.each<[string, object, artifact_type: string | undefined]>([
    ["a chart in distribution", distributed({ references: references(helm, "a/b") }), helm],
    ["an image in distribution", distributed({ references: references(config, layer) }), undefined],
    ["what distribution says nothing of", distributed({}), undefined],
    ["what distribution says in other words", distributed({ references: "none" }), undefined],
    [
      "an index in distribution",
      distributed({ mediaType: ociIndexType, references: references(helm) }),
      undefined,
    ],
    ["a chart in GitHub", github({ config: { media_type: helm }, layers: [{ media_type: "a/b" }] }), helm],
    [
      "a signature in GitHub",
      github({ config: { media_type: config }, layers: [{ media_type: "c/d" }] }),
      "c/d",
    ],
    [
      "an image in GitHub",
      github({ config: { media_type: config }, layers: [{ media_type: layer }] }),
      undefined,
    ],
    ["an index in GitHub", github({}), undefined],
    ["a chart in ECR", amazon({ "manifest-media-type": media_type, "artifact-media-type": helm }), helm],
    [
      "what ECR says in too many words",
      amazon({ "artifact-media-type": "a".repeat(201), "manifest-media-type": 1 }),
      undefined,
    ],
  ])("%s", (_, notification, artifact_type) => {
    const { pushes, ignored } = read(notification);
    expect(pushes).toHaveLength(1);
    expect(pushes[0]?.artifact_type).toBe(artifact_type);
    expect(ignored).toBe(0);
  });

  test("with its manifest's type", () => {
    const chart = { config: { media_type: helm }, layers: [] };
    expect(read(github(chart)).pushes).toMatchObject([{ media_type, artifact_type: helm }]);
    const image = amazon({ "manifest-media-type": media_type, "artifact-media-type": config });
    expect(read(image).pushes).toMatchObject([{ media_type, artifact_type: config }]);
  });
});

describe("what is no push of an image is ignored:", () => {
  test.each([
    ["a pull in distribution", { events: [{ ...distributionEvent, action: "pull" }] }],
    ["a blob without a digest", { events: [{ ...distributionEvent, target: { repository: "acme/hello" } }] }],
    ...["application/octet-stream", "application/vnd.docker.container.image.v1+json", "text/plain"].map(
      (mediaType): [string, object] => [
        `a layer or config in distribution, ${mediaType},`,
        { events: [{ ...distributionEvent, target: { ...distributionEvent.target, mediaType } }] },
      ],
    ),
    ["a deletion in Harbor", { ...harborEvent, type: "DELETE_ARTIFACT" }],
    ["a deletion in ECR", { ...amazonEvent, detail: { ...amazonEvent.detail, "action-type": "DELETE" } }],
    ["a push that failed in ECR", { ...amazonEvent, detail: { ...amazonEvent.detail, result: "FAILURE" } }],
    ["an ECR event without an action", { ...amazonEvent, detail: { "repository-name": "acme/hello" } }],
    ["another action in GitHub", { ...githubEvent, action: "deleted" }],
    ["a repository that is none", harborOf({ resource_url: "harbor.example.com/Acme/hello:v12" })],
    ["a version of GitHub's that is no digest", githubOf({ version: "1.2.0" })],
    [
      "a digest that is none",
      { events: [{ ...distributionEvent, target: { ...distributionEvent.target, digest: "sha256:1" } }] },
    ],
  ])("%s", (_, notification) => {
    expect(read(notification)).toEqual({ pushes: [], notices: [], ignored: 1 });
  });
});

test("an untagged push is read without a tag, and every event of an envelope on its own", () => {
  const { tag: _, ...untagged } = distributionEvent.target;
  const { pushes, ignored } = read({
    events: [
      { ...distributionEvent, target: untagged },
      distributionEvent,
      { ...distributionEvent, action: "pull" },
    ],
  });
  expect(pushes.map((push) => push.tag)).toEqual([undefined, "v12"]);
  expect(ignored).toBe(1);
});

test("an empty tag of GitHub's is no tag", () => {
  const version = githubEvent.registry_package.package_version;
  const { pushes } = read({
    ...githubEvent,
    registry_package: {
      package_version: { ...version, container_metadata: { tag: { name: "", digest: "" } } },
    },
  });
  expect(pushes).toMatchObject([{ digest }]);
  expect(pushes[0]?.tag).toBeUndefined();
});

test.each([{}, [], { events: {} }, { event_data: {} }, { source: "aws.ec2" }, "push", null])(
  "%j is refused with the names of the notifications that are understood",
  (body) => {
    const parsed = registryEventsBody.safeParse(body);
    expect(parsed.success).toBe(false);
    expect(parsed.error?.issues[0]?.message).toContain("CNCF distribution, Harbor, GitHub");
  },
);

describe("what tells an event from others is", () => {
  test("its id and its time in distribution and ECR", () => {
    const { id, ...unnamed } = distributionEvent;
    const order = Date.parse("2026-03-09T14:44:26.402-08:00");
    expect(read({ events: [distributionEvent] }).notices).toEqual([
      { id: JSON.stringify(["distribution", id]), order },
    ]);
    expect(read({ events: [unnamed] }).notices).toEqual([{ id: null, order }]);
    expect(read({ ...amazonEvent, id: "cdc73f9d" }).notices).toEqual([
      { id: '["amazon","cdc73f9d"]', order: Date.parse("2026-03-09T14:44:26Z") },
    ]);
  });

  test("all that it says, and its time, in Harbor", () => {
    const [first] = read(harborEvent).notices;
    expect(first?.order).toBe(harborEvent.occur_at * 1000);
    expect(read(structuredClone(harborEvent)).notices).toEqual([first]);
    expect(read(harborOf({ tag: "v13" })).notices).not.toEqual([first]);
  });

  test("its delivery in GitHub, whose time is that of a version and orders nothing", () => {
    expect(read(githubEvent, "72d3162e").notices).toEqual([{ id: '["github","72d3162e"]', order: null }]);
    expect(read(githubEvent).notices).toEqual([{ id: null, order: null }]);
  });
});
