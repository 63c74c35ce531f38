/** Where the tests find answers that take more than they seem to. */
export interface HostilePlace {
  /** The first segment of a path says which. */
  url: string;
  /** Announces five bytes and sends chunks without end, at every path. */
  smuggledUrl: string;
}

declare module "vitest" {
  interface ProvidedContext {
    hostile: HostilePlace;
  }
}
