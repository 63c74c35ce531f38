/** Longer than any name or sentence that is meant to be read at a glance. */
const shownCharacters = 120;

/** The beginning of a text from outside, where only so much can be shown. */
export function cut(text: string): string {
  const characters = [...text];
  return characters.length <= shownCharacters ? text : `${characters.slice(0, shownCharacters).join("")}…`;
}

/** Text of an image's maker: cut where it is long, with the whole of it at hand. */
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
