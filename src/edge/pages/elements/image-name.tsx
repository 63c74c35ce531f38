import { shortDigest } from "../../../domain/pins/images.ts";

/** A tag, or a shortened digest. */
export function shortImage(image: string): string {
  return image.includes(":") ? shortDigest(image) : image;
}

/** A shortened digest, with all of it in the title. */
export function Digest({ of, path }: { of: string; path?: string }) {
  const short = (
    <code class="digest" title={of}>
      {shortDigest(of)}
    </code>
  );
  return path === undefined ? short : <a href={path}>{short}</a>;
}

/** What an environment is pinned to: a tag or a digest. */
export function ImageName({ of }: { of: string }) {
  return of.includes(":") ? <Digest of={of} /> : <code>{of}</code>;
}
