import { Header } from "tar";

const blockBytes = 512;

export interface ArchivedFile {
  /** Without a slash at its beginning. */
  path: string;
  bytes: Buffer;
  isExecutable?: boolean;
}

/**
 * A tar archive of files of the user 0: the same bytes for the same files, whenever and wherever it is made. Written here
 * since `tar`'s own writers take files from a disk, asynchronously.
 * @throws where a path is too long for a plain header
 */
export function tarArchive(files: readonly ArchivedFile[]): Buffer {
  const entries = files.flatMap(({ path, bytes, isExecutable = false }) => {
    const header = new Header({
      path,
      type: "File",
      mode: isExecutable ? 0o755 : 0o644,
      size: bytes.length,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
    });
    const block = Buffer.alloc(blockBytes);
    if (header.encode(block)) throw new Error(`\`${path}\` is too long for a tar header`);
    return [block, bytes, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes)];
  });
  return Buffer.concat([...entries, Buffer.alloc(2 * blockBytes)]);
}
