import { SomeOf } from "../elements/some-of.tsx";

/** The tags of an image. @param most how many are shown */
export function Tags({ of, most }: { of: readonly string[]; most: number }) {
  return <SomeOf of={of} most={most} none="no tag" each={(tag) => <code>{tag}</code>} />;
}
