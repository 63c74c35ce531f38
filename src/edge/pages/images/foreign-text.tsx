/** Longer than any reasonable name or sentence. */
const shownCharacters = 120;

/** The beginning of a text from outside, where its length must be bounded. */
export function cut(text: string): string {
  const characters = [...text];
  return characters.length <= shownCharacters ? text : `${characters.slice(0, shownCharacters).join("")}…`;
}

/** Text by an image's author: shortened if it is long, with all of it behind a disclosure. */
export function ForeignText({ of }: { of: string }) {
  const shown = cut(of);
  if (shown === of) return <bdi>{of}</bdi>;
  return (
    <details>
      <summary>
        <bdi>{shown}</bdi>
      </summary>
      <bdi>{of}</bdi>
    </details>
  );
}
