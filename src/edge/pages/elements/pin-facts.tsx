import type { Environment } from "../../../protocol/v3/services.ts";
import { Digest, ImageName } from "./image-name.tsx";
import { pathOf } from "./paths.ts";

/** What an environment is pinned to, and what it resolves to now: two entries of a description list. */
export function PinFacts({
  account,
  service,
  environment: { image, revision, digest },
}: {
  account: string;
  service: string;
  environment: Pick<Environment, "image" | "revision" | "digest">;
}) {
  return (
    <>
      <dt>Pinned to</dt>
      <dd>
        <ImageName of={image} />, revision {revision}
      </dd>
      <dt>Runs now</dt>
      <dd>
        {digest === null ? (
          "nothing: no image with this tag was pushed yet"
        ) : (
          <Digest of={digest} path={pathOf.image(account, service, digest)} />
        )}
      </dd>
    </>
  );
}
