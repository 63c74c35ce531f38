import { namesShownMax } from "../../../domain/limits.ts";
import type { ImageSize } from "../../../objects/contract.ts";
import type { ImageDetail } from "../../../protocol/v3/images.ts";
import type { ImageContents } from "../../views/image-contents.ts";
import { someText } from "../elements/some-of.tsx";
import { Time } from "../elements/time.tsx";
import { EnvironmentLinks } from "./environment-links.tsx";
import { ForeignText } from "./foreign-text.tsx";
import { platformsOf } from "./image-contents-section.tsx";
import { imageSizeText } from "./image-size.ts";
import { Tags } from "./tags.tsx";

/** What an image is, and where it is kept. @param isOwn whether the service's own repository has it */
export function Facts({
  image,
  contents,
  size,
  isOwn,
  account,
  service,
}: {
  account: string;
  service: string;
  image: ImageDetail;
  contents: ImageContents | null;
  size: ImageSize | null;
  isOwn: boolean;
}) {
  const platforms = contents ? platformsOf(contents) : [];
  return (
    <dl class="facts">
      {image.artifact_type === undefined ? null : (
        <>
          <dt>What it is</dt>
          <dd>
            no image, but <ForeignText of={image.artifact_type} />
          </dd>
        </>
      )}
      <dt>Digest</dt>
      <dd>
        <code>{image.digest}</code>
      </dd>
      <dt>Tags</dt>
      <dd>
        <Tags of={image} most={namesShownMax} />
      </dd>
      <dt>Runs in</dt>
      <dd>
        <EnvironmentLinks
          names={image.environments}
          total={image.environments_total}
          most={namesShownMax}
          account={account}
          service={service}
        />
      </dd>
      <dt>Pushed</dt>
      <dd>
        <Time at={image.pushed_at} />
      </dd>
      <dt>Kept in</dt>
      <dd>{isOwn ? "the service's own repository" : <code>{image.repository}</code>}</dd>
      <dt>Media type</dt>
      <dd>{image.media_type === undefined ? "not told" : <ForeignText of={image.media_type} />}</dd>
      <dt>Size</dt>
      <dd>{imageSizeText(size)}</dd>
      <dt>Platform</dt>
      <dd>
        {platforms.length === 0 ? "not known" : <ForeignText of={someText(platforms, namesShownMax)} />}
      </dd>
    </dl>
  );
}
