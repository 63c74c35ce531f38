import type { Descriptor } from "../../../protocol/oci/pull.ts";
import type { ImageContents, KeptImage } from "../../views/image-contents.ts";
import { sizeText } from "../elements/amount-text.ts";
import { Table } from "../elements/table.tsx";
import { cut, ForeignText } from "./foreign-text.tsx";

/** Manifests may list thousands, which would make a page too large. */
const layersShown = 200;
const imagesShown = 50;
const labelsShown = 100;
const shownDigestCharacters = 19;

/** The distinct platforms of an image. */
export function platformsOf(contents: ImageContents): string[] {
  const platforms =
    contents.kind === "image"
      ? [contents.image.config?.platform]
      : contents.images.map(({ platform, image }) => platform ?? image?.config?.platform);
  // BuildKit lists attestations under this platform, so that no runtime pulls them.
  return [...new Set(platforms.flatMap((platform) => platform ?? []))].filter(
    (name) => name !== "unknown/unknown",
  );
}

/** An image's layers and labels; for an index, those of each of its images. */
export function Contents({ of }: { of: ImageContents }) {
  return (
    <section>
      <h2>What it is made of</h2>
      {of.kind === "image" ? <Image image={of.image} name="this image" /> : <Images of={of} />}
    </section>
  );
}

function Images({ of: { images } }: { of: Extract<ImageContents, { kind: "index" }> }) {
  const shown = images.slice(0, imagesShown);
  return (
    <>
      <p>It is an index of {images.length === 1 ? "one manifest" : `${images.length} manifests`}.</p>
      {shown.map(({ digest, platform, image }) => (
        <>
          <h3>
            <bdi>{cut(platform ?? image?.config?.platform ?? "No platform told")}</bdi>
          </h3>
          <p>
            <code>{digest}</code>
          </p>
          {image ? (
            <Image image={image} name={digest.slice(0, shownDigestCharacters)} />
          ) : (
            <p>It is not read here.</p>
          )}
        </>
      ))}
      {images.length > shown.length ? <p>{images.length - shown.length} more are not shown.</p> : null}
    </>
  );
}

/** @param name makes the captions of its tables unique on the page */
function Image({ image, name }: { image: KeptImage; name: string }) {
  return (
    <>
      <Layers of={image.layers} name={name} />
      <Labels of={image} name={name} />
    </>
  );
}

function Layers({ of, name }: { of: readonly Descriptor[]; name: string }) {
  const shown = of.slice(0, layersShown);
  if (shown.length === 0) return <p>It has no layers.</p>;
  return (
    <>
      <Table caption={`Layers of ${name}, lowest first`} head={["Digest", "Size"]}>
        {shown.map(({ digest, size }) => (
          <tr>
            <th scope="row">
              <code class="wraps">{digest}</code>
            </th>
            <td>{sizeText(size)}</td>
          </tr>
        ))}
      </Table>
      {of.length > shown.length ? <p>{of.length - shown.length} more layers are not shown.</p> : null}
    </>
  );
}

function Labels({ of: { config }, name }: { of: KeptImage; name: string }) {
  if (!config) return <p>Its labels cannot be read: its configuration is larger than 64 KiB, or is none.</p>;
  if (config.labels.length === 0) return <p>It has no labels.</p>;
  const { labels } = config;
  const shown = labels.slice(0, labelsShown);
  return (
    <>
      <Table caption={`Labels of ${name}`} head={["Label", "Text"]}>
        {shown.map(([name, text]) => (
          <tr>
            <th scope="row">
              <ForeignText of={name} />
            </th>
            <td>
              <ForeignText of={text} />
            </td>
          </tr>
        ))}
      </Table>
      {labels.length > shown.length ? <p>{labels.length - shown.length} more labels are not shown.</p> : null}
    </>
  );
}
