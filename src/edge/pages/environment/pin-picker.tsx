import { choicesOfferedMax, namesInRowMax } from "../../../domain/limits.ts";
import { shortDigest } from "../../../domain/pins/images.ts";
import type { Result } from "../../../domain/result.ts";
import type { Image } from "../../../protocol/v3/images.ts";
import type { Environment, ResolveAnswer } from "../../../protocol/v3/services.ts";
import { Form } from "../elements/form.tsx";
import { Digest, ImageName, shortImage } from "../elements/image-name.tsx";
import { someText } from "../elements/some-of.tsx";
import { Table } from "../elements/table.tsx";
import type { Visitor } from "../frame/page-call.ts";

/** Why nothing can be pinned. */
const noImageCodes: readonly string[] = ["image_not_found", "image_not_runnable"];

/** Chooses an image to preview; pins nothing. */
export function PinPicker({
  path,
  images,
  chosen,
}: {
  path: string;
  images: readonly Image[];
  chosen: string;
}) {
  const tags = images.flatMap(({ tags, digest }) => tags.map((tag) => ({ tag, digest })));
  const offered = tags.slice(0, choicesOfferedMax);
  return (
    <form method="get" action={path} class="fields" aria-label="Choose an image">
      <label>
        <span>A tag, which follows the most recent push, or a digest, which stays</span>
        <select name="image" required>
          <option value="">Choose an image</option>
          <optgroup label={offered.length < tags.length ? `Tags, the first ${offered.length}` : "Tags"}>
            {offered.map(({ tag, digest }) => (
              <option value={tag} selected={tag === chosen}>
                {tag} ({shortDigest(digest)})
              </option>
            ))}
          </optgroup>
          <optgroup label="Digests, newest first">
            {images.map(({ digest, tags, pushed_at }) => (
              <option value={digest} selected={digest === chosen}>
                {shortDigest(digest)}
                {tags.length > 0 ? ` (${someText(tags, namesInRowMax)})` : ""}, pushed{" "}
                {pushed_at.slice(0, 16).replace("T", " ")}
              </option>
            ))}
          </optgroup>
        </select>
      </label>
      <div>
        <button type="submit">Show what would change</button>
      </div>
    </form>
  );
}

/** The changes that a pin would make, and the button that makes them. */
export function PinPreview(props: {
  visitor: Visitor;
  path: string;
  environment: Environment;
  image: string;
  preview: Result<ResolveAnswer>;
}) {
  const { visitor, path, environment, image, preview } = props;
  const digest = preview.ok ? preview.value.digest : null;
  const refusal = preview.ok
    ? preview.value.refusals.find(({ code }) => noImageCodes.includes(code))?.message
    : preview.error.message;
  if (digest === null) {
    return (
      <p class="notice refused" role="alert">
        {refusal ?? `nothing with the name ${image} was pushed`}
      </p>
    );
  }
  const isSame = digest === environment.digest;
  return (
    <section class="panel" aria-labelledby="change">
      <h3 id="change">What changes</h3>
      {preview.ok ? <NoImage of={preview.value} /> : null}
      <Table caption={`Pin of ${environment.name}`} head={["What", "Now", "Then"]}>
        <tr>
          <th scope="row">Pinned to</th>
          <td>
            <ImageName of={environment.image} />
          </td>
          <td>
            <ImageName of={image} />
          </td>
        </tr>
        <tr>
          <th scope="row">New sessions run</th>
          <td>{environment.digest === null ? "nothing" : <Digest of={environment.digest} />}</td>
          <td>
            <Digest of={digest} /> {isSame ? "(the same)" : null}
          </td>
        </tr>
      </Table>
      <p>
        {liveText(environment.live_backends)} Sessions that start after the change run what is on the right.
      </p>
      <Form visitor={visitor} path={path} label="Pin">
        <input type="hidden" name="image" value={image} />
        <input type="hidden" name="revision" value={String(environment.revision)} />
        <div class="fields">
          <label>
            <span>Note, for the history (optional)</span>
            <input type="text" name="note" maxlength={200} autocomplete="off" />
          </label>
          <div>
            <button type="submit" name="do" value="pin">
              Pin {environment.name} to {shortImage(image)}
            </button>
          </div>
        </div>
      </Form>
    </section>
  );
}

/** Says of a tag whose latest push is of no image what it means then. */
export function NoImage({ of: { image, artifact, digest } }: { of: ResolveAnswer }) {
  if (!artifact) return null;
  return (
    <p class="notice">
      The latest push of <code>{image}</code> is no image, but <code>{artifact.artifact_type}</code> (
      <Digest of={artifact.digest} />
      ): {digest === null ? "nothing runs until an image is" : "it goes on to mean the last image that was"}{" "}
      pushed with it.
    </p>
  );
}

function liveText(count: number): string {
  if (count === 0) return "No session is live.";
  if (count === 1) return "1 live session goes on with what it runs until it ends.";
  return `${count} live sessions go on with what they run until they end.`;
}
