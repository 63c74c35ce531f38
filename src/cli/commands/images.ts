import type { Command } from "commander";
import {
  type Image,
  type ImageDetail,
  image,
  imageDetail,
  imageList,
  recordImageBody,
} from "../../protocol/v3/images.ts";
import { accepted, asDigest, asName, asTag, withExamples, withLimit, withSearch } from "../arguments.ts";
import { bodyOf } from "../client.ts";
import { details, namesText, table } from "../output.ts";
import { runForAccount } from "../run.ts";

const asMediaType = accepted(recordImageBody.shape.media_type.unwrap());
const asArtifactType = accepted(recordImageBody.shape.artifact_type.unwrap());
const exampleDigest = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

export function addImageCommands(program: Command): void {
  const images = withExamples(program.command("images").description("Images of a service"), [
    "slipway images list hello",
  ]);

  withExamples(
    withSearch(
      withLimit(
        images
          .command("list")
          .description(
            "Show a service's images, newest first, without what is none; what is searched, by name",
          )
          .argument("<service>", "the service's name", asName),
      ),
      "of which a tag or the digest begins with it",
    ),
    ["slipway images list hello --limit 10", "slipway images list hello --search v1."],
  ).action((service: string, options: { limit?: number; search?: string }, command: Command) =>
    runForAccount(command, {
      call: (api) =>
        api.list({
          path: ["services", service, "images"],
          query: { search: options.search },
          page: imageList,
          itemsOf: (page) => page.images,
          limit: options.limit,
        }),
      text: (items) =>
        table(
          ["DIGEST", "TAGS", "PUSHED", "REPOSITORY"],
          items.map((item) => [
            item.digest,
            namesText(item.tags, item.tags_total),
            item.pushed_at,
            item.repository,
          ]),
        ),
    }),
  );

  withExamples(
    images
      .command("add")
      .description("Record an image that is kept in another registry")
      .argument("<service>", "the service's name", asName)
      .argument("<digest>", "the image's digest", asDigest)
      .option("--tag <tag>", "the tag that it was pushed with", asTag)
      .option("--repository <host/path>", "where it is kept (default: the service's own repository)")
      .option("--media-type <type>", "of its manifest", asMediaType)
      .option("--artifact-type <type>", "what it is, where it is no image", asArtifactType),
    [
      `slipway images add hello ${exampleDigest} \\\n      --tag v12 --repository registry.example.com/acme/hello`,
    ],
  ).action(
    (
      service: string,
      imageDigest: string,
      options: { tag?: string; repository?: string; mediaType?: string; artifactType?: string },
      command: Command,
    ) =>
      runForAccount(command, {
        call: (api) =>
          api.send({
            method: "POST",
            path: ["services", service, "images"],
            body: bodyOf(recordImageBody, {
              digest: imageDigest,
              tag: options.tag,
              repository: options.repository,
              media_type: options.mediaType,
              artifact_type: options.artifactType,
            }),
            answer: image,
          }),
        text: (item) => details(imageFields(item)),
      }),
  );

  withExamples(
    images
      .command("show")
      .description("Show one image, and which environments and live backends use it")
      .argument("<service>", "the service's name", asName)
      .argument("<digest>", "the image's digest", asDigest),
    [`slipway images show hello ${exampleDigest}`],
  ).action((service: string, imageDigest: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.get(["services", service, "images", imageDigest], imageDetail),
      text: imageDetailText,
    }),
  );

  withExamples(
    images
      .command("delete")
      .description("Delete an image that no environment, recent revision or live backend needs")
      .argument("<service>", "the service's name", asName)
      .argument("<digest>", "the image's digest", asDigest),
    [`slipway images delete hello ${exampleDigest}`],
  ).action((service: string, imageDigest: string, _options: unknown, command: Command) =>
    runForAccount(command, {
      call: (api) => api.delete(["services", service, "images", imageDigest]),
      text: () => `Image ${imageDigest} of service \`${service}\` is deleted.`,
    }),
  );
}

function imageFields(item: Image) {
  return {
    digest: item.digest,
    tags: namesText(item.tags, item.tags_total),
    repository: item.repository,
    media_type: item.media_type,
    ...(item.artifact_type === undefined ? {} : { artifact_type: item.artifact_type }),
    pushed: item.pushed_at,
  };
}

function imageDetailText(item: ImageDetail): string {
  return details({
    ...imageFields(item),
    environments: namesText(item.environments, item.environments_total),
    live_backends: item.live_backends.join(" "),
  });
}
