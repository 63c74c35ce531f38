import { permits } from "../../../domain/credentials/access.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { ImageSize } from "../../../objects/contract.ts";
import { registryStub, serviceStub } from "../../../objects/stubs.ts";
import type { Backend } from "../../../protocol/v3/backends.ts";
import type { ImageDetail } from "../../../protocol/v3/images.ts";
import type { Page as ListPage } from "../../../protocol/v3/list.ts";
import { type ImageContents, imageContents } from "../../views/image-contents.ts";
import { imageName } from "../../views/service-views.ts";
import { BackendTable } from "../elements/backend-table.tsx";
import { Confirm, Form, Time } from "../elements/elements.tsx";
import { pathOf } from "../elements/paths.ts";
import { serviceTrail } from "../elements/trail.ts";
import { definePage, type Visitor } from "../frame/page.ts";
import { Contents, platformsOf } from "./image-contents-section.tsx";
import { EnvironmentLinks, ForeignText, Tags } from "./image-facts.tsx";
import { imageSizeText } from "./image-size.ts";

const backendsShown = 50;

/** One image: what it is made of, what runs it, and its deletion. */
export const imagePage = definePage({
  path: "/service/:account/:service/images/:digest",
  action: "read",
  async show({ env, params: { account, service, digest }, visitor, path }) {
    const owner = serviceStub(env, account, service);
    const [found, running] = await Promise.all([
      owner.getImage(digest, visitor.caller),
      owner.listBackends({ limit: backendsShown, digest }, visitor.actor.environments),
    ]);
    if (!found.ok) return found;
    if (!running.ok) return running;
    const image = found.value;
    const isOwn = image.repository === imageName(visitor.caller.registryHost, account, service);
    const [contents, [size = null]] = isOwn
      ? await Promise.all([
          imageContents(env, { account, service }, digest),
          registryStub(env, account).imageSizes({ account, service }, [digest]),
        ])
      : [null, []];
    const place = { account, service };
    return ok({
      title: `Image ${image.tags[0] ?? digest.slice(0, 19)}`,
      trail: [...serviceTrail(account, service), { text: "Images", path: pathOf.images(account, service) }],
      body: (
        <>
          <Facts image={image} contents={contents} size={size} isOwn={isOwn} {...place} />
          {contents ? <Contents of={contents} /> : <KeptElsewhere image={image} isOwn={isOwn} />}
          <Running image={image} page={running.value} visitor={visitor} {...place} />
          <Deletion may={permits(visitor.identity, "admin", { service })} visitor={visitor} path={path} />
        </>
      ),
    });
  },
  forms: {
    delete: {
      action: "admin",
      async submit({ env, params: { account, service, digest }, visitor }) {
        const deleted = await serviceStub(env, account, service).deleteImage(digest, visitor.caller);
        if (!deleted.ok) return deleted;
        return ok({ done: `Image ${digest} is deleted.`, path: pathOf.images(account, service) });
      },
    },
  },
});

interface Place {
  account: string;
  service: string;
}

function Facts({
  image,
  contents,
  size,
  isOwn,
  account,
  service,
}: Place & {
  image: ImageDetail;
  contents: ImageContents | null;
  size: ImageSize | null;
  isOwn: boolean;
}) {
  const platforms = contents ? platformsOf(contents) : [];
  return (
    <dl class="facts">
      <dt>Digest</dt>
      <dd>
        <code>{image.digest}</code>
      </dd>
      <dt>Tags</dt>
      <dd>
        <Tags of={image.tags} />
      </dd>
      <dt>Runs in</dt>
      <dd>
        <EnvironmentLinks names={image.environments} account={account} service={service} />
      </dd>
      <dt>Pushed</dt>
      <dd>
        <Time at={image.pushed_at} />
      </dd>
      <dt>Kept in</dt>
      <dd>{isOwn ? "the service's own repository" : <code>{image.repository}</code>}</dd>
      <dt>Media type</dt>
      <dd>{image.media_type === undefined ? "not told" : <ForeignText of={image.media_type} />}</dd>
      <dt>Size</dt>
      <dd>{imageSizeText(size)}</dd>
      <dt>Platform</dt>
      <dd>{platforms.length === 0 ? "not known" : <ForeignText of={platforms.join(", ")} />}</dd>
    </dl>
  );
}

function KeptElsewhere({ image, isOwn }: { image: ImageDetail; isOwn: boolean }) {
  return (
    <section>
      <h2>What it is made of</h2>
      {isOwn ? (
        <p>It was recorded for this service's repository, which does not have it (any more).</p>
      ) : (
        <p>
          Its layers and labels are kept in <code>{image.repository}</code>: that registry tells them.
        </p>
      )}
    </section>
  );
}

function Running({
  image,
  page: { items, next },
  visitor,
  account,
  service,
}: Place & { image: ImageDetail; page: ListPage<Backend>; visitor: Visitor }) {
  // The image's own count is of all environments.
  const isNarrowed = visitor.actor.environments !== undefined;
  const more = isNarrowed ? "More backends" : `${image.live_backends.length - items.length} more`;
  const all = `${pathOf.backends(account, service)}?${new URLSearchParams({ digest: image.digest })}`;
  return (
    <section>
      <h2>Live backends</h2>
      {items.length === 0 ? (
        <p>{isNarrowed ? "No live backend that you may see runs it." : "No live backend runs it."}</p>
      ) : (
        <BackendTable
          backends={items}
          caption="Live backends that run this image, newest first"
          {...{ account, service }}
        />
      )}
      {next === null ? null : (
        <p>
          <a href={all}>{more}</a>
        </p>
      )}
    </section>
  );
}

function Deletion({ may, visitor, path }: { may: Result<null>; visitor: Visitor; path: string }) {
  return (
    <section>
      <h2>Delete this image</h2>
      {may.ok ? (
        <>
          <p>
            An image that an environment, one of its last 20 revisions or a live backend needs cannot be
            deleted.
          </p>
          <Confirm summary="Delete this image">
            <p>
              Its tags go with it, and nothing can be pinned to it or spawned from it until it is pushed
              again.
            </p>
            <Form visitor={visitor} path={path}>
              <button type="submit" name="do" value="delete" class="danger">
                Delete the image
              </button>
            </Form>
          </Confirm>
        </>
      ) : (
        <p>You may not delete it: {may.error.message}.</p>
      )}
    </section>
  );
}
