import { namesInRowMax } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import type { ImageSize, UsedImage } from "../../../objects/contract.ts";
import { registryStub, serviceStub } from "../../../objects/stubs.ts";
import { imageQuery } from "../../../protocol/v3/images.ts";
import { parseInput } from "../../input.ts";
import { imageName } from "../../views/service-views.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Digest } from "../elements/image-name.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { SearchForm } from "../elements/search-form.tsx";
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
  async show({ env, params: { account, service }, visitor, query, path }) {
    const parsed = parseInput(imageQuery, queryFields(query, ["cursor", "search"]), "bad query");
    if (!parsed.ok) return parsed;
    const { search, cursor } = parsed.value;
    const listed = await serviceStub(env, account, service).usedImages(
      parsed.value,
      visitor.caller,
      visitor.actor.environments,
    );
    if (!listed.ok) return listed;
    const { items } = listed.value;
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
          <SearchForm label="Tag or digest begins with" list={listed.value} {...{ path, query, search }} />
          {items.length === 0 ? (
            <NoImages service={service} isAll={search === undefined && cursor === undefined} />
          ) : (
            <ImageTable images={items} sizeOf={sizeOf} {...{ account, service, ownRepository, search }} />
          )}
          <Paging what="images" list={listed.value} {...{ path, query }} />
        </>
      ),
    });
  },
});

function ImageTable({
  images,
  sizeOf,
  search,
  account,
  service,
  ownRepository,
}: {
  images: readonly UsedImage[];
  sizeOf: ReadonlyMap<string, ImageSize | null>;
  search: string | undefined;
  account: string;
  service: string;
  ownRepository: string;
}) {
  const isSomeElsewhere = images.some(({ repository }) => repository !== ownRepository);
  return (
    <Table
      caption={`Images of ${service}, ${search === undefined ? "newest push first" : "by tag and digest"}`}
      head={["Digest", "Tags", "Runs in", "Size", "Pushed", ...(isSomeElsewhere ? ["Kept in"] : [])]}
    >
      {images.map(({ digest, repository, pushed_at, ...image }) => (
        <tr>
          <th scope="row">
            <Digest of={digest} path={pathOf.image(account, service, digest)} />
          </th>
          <td>
            <Tags of={found(image, search)} most={namesInRowMax} />
          </td>
          <td>
            <EnvironmentLinks
              names={image.environments}
              total={image.environmentsTotal}
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

/** The image with the tags first that were searched: of many, a row shows a few. */
function found(image: Pick<UsedImage, "tags" | "tags_total">, search: string | undefined) {
  if (search === undefined) return image;
  const { true: searched = [], false: others = [] } = Object.groupBy(image.tags, (tag) =>
    tag.startsWith(search) ? "true" : "false",
  );
  return { ...image, tags: [...searched, ...others] };
}

function NoImages({ service, isAll }: { service: string; isAll: boolean }) {
  if (!isAll) return <Empty what="There are no such images here." />;
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
