/** What the search in a list of images looks for: tags that begin so, and digests. Null: no digest can. */
export interface ImageSearch {
  tag: string;
  digest: string | null;
}

const algorithm = "sha256:";
/** With fewer digits any text would be one of digests. */
const digestDigitsMin = 4;

/** Reads what somebody looks for among images; a tag may look like the beginning of a digest. */
export function imageSearch(text: string): ImageSearch {
  if (text.startsWith(algorithm)) return { tag: text, digest: text };
  const isHexadecimal = text.length >= digestDigitsMin && /^[0-9a-f]{1,64}$/.test(text);
  return { tag: text, digest: isHexadecimal ? algorithm + text : null };
}

/** Whether a backend is one that somebody looks for: its id, key, environment or digest begins so. */
export function findsBackend(
  text: string,
  { id, environment, digest, key }: { id: string; environment: string; digest: string; key: string | null },
): boolean {
  return [id, environment, digest, digest.slice(algorithm.length), key ?? ""].some((of) =>
    of.startsWith(text),
  );
}
