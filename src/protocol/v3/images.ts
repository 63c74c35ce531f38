import { z } from "zod";
import {
  imageBackendsListed,
  imageEnvironmentsListed,
  imageTagsListed,
  mediaTypeMaxCharacters,
  repositoryMaxCharacters,
} from "../../domain/limits.ts";
import { digest, line, tag, time, timestamp } from "../primitives.ts";
import { listAnswer, searchQuery } from "./list.ts";

/** The grammar of a repository as OCI Distribution 1.1 gives it, with an optional host and port before it. */
const repository = z
  .string()
  .max(repositoryMaxCharacters)
  .regex(
    /^([a-zA-Z0-9.-]+(:[0-9]{1,5})?\/)?[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(\/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$/,
    "a repository is host/path without a tag, for example registry.example.com/acme/hello",
  );

/** `POST …/services/{service}/images`: an image that is kept in another registry. */
export const recordImageBody = z.strictObject({
  digest,
  tag: tag.optional(),
  repository: repository
    .optional()
    .describe("Where the image is kept; this service's own repository when left out"),
  media_type: line(mediaTypeMaxCharacters)
    .optional()
    .describe("Of its manifest; what is of another type than a manifest's is recorded as an artifact"),
  artifact_type: line(mediaTypeMaxCharacters)
    .optional()
    .describe("Of what is no image: its artifact type, or its config's media type"),
  /** For people; now when left out. The tag moves to what arrives, whatever it says. */
  pushed_at: time.optional(),
});
export type RecordImageBody = z.infer<typeof recordImageBody>;

/** An image that a service knows. */
export const image = z
  .object({
    digest,
    tags: z
      .array(z.string())
      .describe(`The tags whose most recent image this is: the first ${imageTagsListed} by name`),
    tags_total: z.int().min(0).describe("How many tags stand on it, those that are not listed included"),
    /** `host/path`, where a cluster pulls it from. */
    repository: z.string(),
    media_type: z.string().optional(),
    artifact_type: z
      .string()
      .optional()
      .describe("What it is where it is no image: nothing can be pinned to it, and no list shows it"),
    pushed_at: timestamp,
  })
  .meta({ id: "ImageRecord" });
export type Image = z.infer<typeof image>;

/** `GET …/services/{service}/images`. */
export const imageQuery = searchQuery(
  "Only those that have a tag that begins with it, by tag, and then those whose digests do. A page may hold less than its limit",
);
export const imageList = listAnswer("images", image);

/** An image, and what uses it. */
export const imageDetail = image
  .extend({
    environments: z
      .array(z.string())
      .describe(`Environments that resolve to it now, at most ${imageEnvironmentsListed}`),
    environments_total: z.int().min(0).describe("How many do, those that are not listed included"),
    live_backends: z
      .array(z.string())
      .describe(`The newest that run it, at most ${imageBackendsListed}; all are in the list of backends`),
  })
  .meta({ id: "ImageDetail" });
export type ImageDetail = z.infer<typeof imageDetail>;
