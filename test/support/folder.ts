import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Folder extends AsyncDisposable {
  path: string;
}

/** What was left to itself may be writing there for a moment yet. */
const removal = { recursive: true, force: true, maxRetries: 20 };

/** A new empty folder, removed with all that is in it when it is disposed of. */
export async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "slipway-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, removal) };
}
