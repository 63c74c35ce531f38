import type { Image } from "../../../protocol/v3/images.ts";
import { SomeOf } from "../elements/some-of.tsx";

/** The tags of an image. @param most how many are shown */
export function Tags({ of, most }: { of: Pick<Image, "tags" | "tags_total">; most: number }) {
  return (
    <SomeOf of={of.tags} total={of.tags_total} most={most} none="no tag" each={(tag) => <code>{tag}</code>} />
  );
}
