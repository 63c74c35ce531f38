import { namesInRowMax } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import type { ImageSize } from "../../../objects/contract.ts";
import { registryStub, serviceStub } from "../../../objects/stubs.ts";
import type { Image } from "../../../protocol/v3/images.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import type { Environment } from "../../../protocol/v3/services.ts";
import { parseInput } from "../../input.ts";
import { imageName } from "../../views/service-views.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Digest } from "../elements/image-name.tsx";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import { serviceTrail } from "../elements/trail.ts";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { EnvironmentLinks } from "./environment-links.tsx";
import { imageSizeText } from "./image-size.ts";
import { Tags } from "./tags.tsx";

/** A service's images, newest push first. */
export const imagesPage = definePage({
  path: "/service/:account/:service/images",
  action: "read",
  async show({ env, params: { account, service }, visitor, query }) {
    const parsed = parseInput(listQuery, queryFields(query, ["cursor"]), "bad query");
    if (!parsed.ok) return parsed;
    const owner = serviceStub(env, account, service);
    const [listed, described] = await Promise.all([
      owner.listImages(parsed.value, visitor.caller),
      owner.describe(visitor.actor.environments),
    ]);
    if (!listed.ok) return listed;
    if (!described.ok) return described;
    const { items, next } = listed.value;
    const ownRepository = imageName(visitor.caller.registryHost, account, service);
    const kept = items.flatMap(({ repository, digest }) => (repository === ownRepository ? [digest] : []));
    const sizes =
      kept.length === 0 ? [] : await registryStub(env, account).imageSizes({ account, service }, kept);
    const sizeOf = new Map(kept.map((digest, place) => [digest, sizes[place] ?? null]));
    return ok({
      title: `Images of ${service}`,
      trail: serviceTrail(account, service),
      body: (
        <>
          {items.length === 0 ? (
            <NoImages service={service} isFirstPage={parsed.value.cursor === undefined} />
          ) : (
            <ImageTable
              images={items}
              sizeOf={sizeOf}
              environments={described.value.environments}
              {...{ account, service, ownRepository }}
            />
          )}
          {next === null ? null : (
            <p>
              <a href={`${pathOf.images(account, service)}?cursor=${encodeURIComponent(next)}`}>
                More images
              </a>
            </p>
          )}
        </>
      ),
    });
  },
});

function ImageTable({
  images,
  sizeOf,
  environments,
  account,
  service,
  ownRepository,
}: {
  images: readonly Image[];
  sizeOf: ReadonlyMap<string, ImageSize | null>;
  environments: readonly Environment[];
  account: string;
  service: string;
  ownRepository: string;
}) {
  const isSomeElsewhere = images.some(({ repository }) => repository !== ownRepository);
  return (
    <Table
      caption={`Images of ${service}, newest push first`}
      head={["Digest", "Tags", "Runs in", "Size", "Pushed", ...(isSomeElsewhere ? ["Kept in"] : [])]}
    >
      {images.map(({ digest, repository, pushed_at, ...image }) => (
        <tr>
          <th scope="row">
            <Digest of={digest} path={pathOf.image(account, service, digest)} />
          </th>
          <td>
            <Tags of={image} most={namesInRowMax} />
          </td>
          <td>
            <EnvironmentLinks
              names={environments.flatMap((environment) =>
                environment.digest === digest ? [environment.name] : [],
              )}
              most={namesInRowMax}
              {...{ account, service }}
            />
          </td>
          <td>{imageSizeText(sizeOf.get(digest) ?? null)}</td>
          <td>
            <Time at={pushed_at} />
          </td>
          {isSomeElsewhere ? (
            <td>{repository === ownRepository ? "its own repository" : <code>{repository}</code>}</td>
          ) : null}
        </tr>
      ))}
    </Table>
  );
}

function NoImages({ service, isFirstPage }: { service: string; isFirstPage: boolean }) {
  if (!isFirstPage) return <Empty what="There are no more images." />;
  return (
    <Empty what={`Nothing was pushed to ${service} yet. Push an image that you have built:`}>
      <Command>{`jamsocket push ${service} my-image -t latest`}</Command>
      <p>Or record one that is kept in another registry:</p>
      <Command>
        {`npx slipway images add ${service} sha256:… --tag latest --repository registry.example.com/team/image`}
      </Command>
    </Empty>
  );
}
