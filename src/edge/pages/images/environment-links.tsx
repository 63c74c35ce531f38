import { pathOf } from "../elements/paths.ts";
import { SomeOf } from "../elements/some-of.tsx";

/** Links to the environments that run an image. @param total how many there are, where not all are given @param most how many are shown */
export function EnvironmentLinks({
  names,
  total = names.length,
  most,
  account,
  service,
}: {
  names: readonly string[];
  total?: number;
  most: number;
  account: string;
  service: string;
}) {
  const link = (name: string) => <a href={pathOf.environment(account, service, name)}>{name}</a>;
  return <SomeOf of={names} total={total} most={most} none="no environment" each={link} />;
}
