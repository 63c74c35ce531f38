/** A key may be any text: `bdi` keeps right-to-left text from reordering what is beside it. */
export function Key({ of }: { of: string }) {
  return (
    <code>
      <bdi>{of}</bdi>
    </code>
  );
}
