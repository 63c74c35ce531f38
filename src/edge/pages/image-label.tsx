import { digestPattern } from "../../domain/images.ts";
import { Digest } from "./elements.tsx";
import { pathOf } from "./paths.ts";

/** What was asked for, where that was a tag, and the digest that it meant: a link to the image. */
export function ImageLabel({
  account,
  service,
  image,
  digest,
}: {
  account: string;
  service: string;
  image: string;
  digest: string;
}) {
  const link = <Digest of={digest} path={pathOf.image(account, service, digest)} />;
  if (digestPattern.test(image)) return link;
  return (
    <>
      <code>{image}</code> {link}
    </>
  );
}
