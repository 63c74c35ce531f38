import { once } from "node:events";
import { Parser, type ReadEntry } from "tar";

/** An entry of an archive, with its bytes, which need not be read. */
export interface TarEntry {
  path: string;
  type: ReadEntry["type"];
  mode: number | undefined;
  linkpath: string | undefined;
  bytes: AsyncIterable<Uint8Array>;
}

/**
 * Reads a tar archive, passing each entry to `take` in turn. Any irregularity of the archive is an error: nothing is
 * guessed.
 */
export async function forEachTarEntry(
  archive: AsyncIterable<Uint8Array>,
  take: (entry: TarEntry) => Promise<void>,
): Promise<void> {
  const failure = new Failure();
  let taken = Promise.resolve();
  let isEmpty = true;
  let sawEnd = false;
  const parser = new Parser({
    onReadEntry(entry) {
      isEmpty = false;
      const { path, type, mode, linkpath } = entry;
      taken = taken.then(async () => {
        failure.throwIfAny();
        await take({ path, type, mode, linkpath, bytes: bytesOf(entry, failure) });
        entry.resume();
      });
      taken.catch((error) => failure.set(error));
    },
    onwarn(code, message) {
      // A layer without changes is an archive of nothing but the end marker.
      if (isEmpty && sawEnd) return;
      failure.set(new Error(`the archive is not a good one: ${String(message)} (${code})`));
    },
  });
  parser.on("eof", () => {
    sawEnd = true;
  });
  parser.on("error", (error) => failure.set(error));
  parser.on("ignoredEntry", ({ path, type }: ReadEntry) => {
    failure.set(new Error(`\`${path}\` is a ${type}, which is not unpacked`));
  });

  const ended = once(parser, "end");
  ended.catch(() => undefined);
  try {
    for await (const chunk of archive) {
      failure.throwIfAny();
      if (!parser.write(chunk)) await failure.or(once(parser, "drain"));
    }
    parser.end();
    await failure.or(ended);
    await failure.or(taken);
  } catch (error) {
    failure.set(error);
    // A reader that is still at an entry gets the failure and closes its file.
    await taken.catch(() => undefined);
    throw error;
  }
}

/** The first failure, which rejects everything else that is awaited. */
class Failure {
  readonly #happened = Promise.withResolvers<never>();
  #error: { value: unknown } | null = null;

  constructor() {
    this.#happened.promise.catch(() => undefined);
  }

  set(error: unknown): void {
    this.#error ??= { value: error };
    this.#happened.reject(this.#error.value);
  }

  throwIfAny(): void {
    if (this.#error) throw this.#error.value;
  }

  or<T>(awaited: Promise<T>): Promise<T> {
    return Promise.race([awaited, this.#happened.promise]);
  }
}

async function* bytesOf(entry: ReadEntry, failure: Failure) {
  const chunks = entry[Symbol.asyncIterator]();
  for (;;) {
    const next = await failure.or(chunks.next());
    if (next.done) return;
    yield next.value;
  }
}
