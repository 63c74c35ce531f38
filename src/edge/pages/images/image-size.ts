import type { ImageSize } from "../../../objects/contract.ts";
import { sizeText } from "../elements/amount-text.ts";

/** An image's size in one line. @param size null where it is unknown */
export function imageSizeText(size: ImageSize | null): string {
  if (!size) return "not known";
  if (!size.index) return sizeText(size.bytes);
  const { counted, listed } = size.index;
  const images = counted === 1 ? "1 image" : `${counted} images`;
  return `${sizeText(size.bytes)} in ${images}${counted < listed ? ` of ${listed} listed` : ""}`;
}
