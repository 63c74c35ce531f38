/** A key is any text: it is kept from turning around what stands beside it. */
export function Key({ of }: { of: string }) {
  return (
    <code>
      <bdi>{of}</bdi>
    </code>
  );
}
