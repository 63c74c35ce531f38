import { pathOf } from "../elements/paths.ts";
import { SomeOf } from "../elements/some-of.tsx";

/** Links to the environments that run an image. @param most how many are shown */
export function EnvironmentLinks({
  names,
  most,
  account,
  service,
}: {
  names: readonly string[];
  most: number;
  account: string;
  service: string;
}) {
  const link = (name: string) => <a href={pathOf.environment(account, service, name)}>{name}</a>;
  return <SomeOf of={names} most={most} none="no environment" each={link} />;
}
