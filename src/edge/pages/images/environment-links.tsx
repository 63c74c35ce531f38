import { pathOf } from "../elements/paths.ts";

/** Links to the environments that run an image. */
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
