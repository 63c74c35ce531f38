/** The tags of an image. */
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
