import {
  imagePlacesMax,
  imageUnpackedMaxBytes,
  layerRatioFreeBytes,
  layerRatioMax,
  layerUnpackedMaxBytes,
} from "../../../../domain/limits.ts";

/** How much an image may become when it is unpacked. */
export interface UnpackingLimits {
  imageMaxBytes: number;
  layerMaxBytes: number;
  /** How many times its compressed size a layer may have, once it has more than `ratioFreeBytes`. */
  ratioMax: number;
  ratioFreeBytes: number;
  /** Files, links and folders. */
  placesMax: number;
}

export const unpackingLimits: UnpackingLimits = {
  imageMaxBytes: imageUnpackedMaxBytes,
  layerMaxBytes: layerUnpackedMaxBytes,
  ratioMax: layerRatioMax,
  ratioFreeBytes: layerRatioFreeBytes,
  placesMax: imagePlacesMax,
};

/** What an image has become so far. Each method throws, saying which limit it is, before more than that is written. */
export class UnpackingBudget {
  readonly #limits: UnpackingLimits;
  #imageBytes = 0;
  #places = 0;

  constructor(limits: UnpackingLimits) {
    this.#limits = limits;
  }

  /** Begins a layer. @returns what counts its bytes */
  layer(): (compressedBytes: number, bytes: number) => void {
    const { imageMaxBytes, layerMaxBytes, ratioMax, ratioFreeBytes } = this.#limits;
    let layerBytes = 0;
    return (compressedBytes, bytes) => {
      layerBytes += bytes;
      this.#imageBytes += bytes;
      if (layerBytes > layerMaxBytes) throw new Error(`a layer has more than ${layerMaxBytes} bytes`);
      if (this.#imageBytes > imageMaxBytes) throw new Error(`it has more than ${imageMaxBytes} bytes`);
      if (layerBytes > ratioFreeBytes && layerBytes > compressedBytes * ratioMax) {
        throw new Error(`a layer grows from ${compressedBytes} bytes by more than ${ratioMax} times`);
      }
    };
  }

  /** Counts files, links or folders, those that are replaced or removed later too. */
  addPlaces(count: number): void {
    this.#places += count;
    if (this.#places > this.#limits.placesMax) {
      throw new Error(`it has more than ${this.#limits.placesMax} files, links and folders`);
    }
  }
}
