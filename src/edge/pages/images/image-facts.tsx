import { pathOf } from "../elements/paths.ts";

/** Longer than any name or sentence that somebody wrote for people to read at a glance. */
const shownCharacters = 120;

/** The tags that stand on an image. */
export function Tags({ of }: { of: readonly string[] }) {
  if (of.length === 0) return <>no tag</>;
  return (
    <>
      {of.map((tag, place) => (
        <>
          {place === 0 ? null : ", "}
          <code>{tag}</code>
        </>
      ))}
    </>
  );
}

/** The environments that an image is what they run. */
export function EnvironmentLinks({
  names,
  account,
  service,
}: {
  names: readonly string[];
  account: string;
  service: string;
}) {
  if (names.length === 0) return <>no environment</>;
  return (
    <>
      {names.map((name, place) => (
        <>
          {place === 0 ? null : ", "}
          <a href={pathOf.environment(account, service, name)}>{name}</a>
        </>
      ))}
    </>
  );
}

/** The beginning of a text that somebody else wrote, where only so much can be shown. */
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
