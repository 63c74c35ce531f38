import { permits } from "../../../domain/credentials/access.ts";
import { ok } from "../../../domain/result.ts";
import { registryStub, serviceStub } from "../../../objects/stubs.ts";
import type { ImageDetail } from "../../../protocol/v3/images.ts";
import { imageContents } from "../../views/image-contents.ts";
import { imageName } from "../../views/service-views.ts";
import { pathOf } from "../elements/paths.ts";
import { serviceTrail } from "../elements/trail.ts";
import { definePage } from "../frame/page.ts";
import { ImageBackends } from "./image-backends.tsx";
import { Contents } from "./image-contents-section.tsx";
import { ImageDeletion } from "./image-deletion.tsx";
import { Facts } from "./image-facts.tsx";

const backendsShown = 50;

/** One image: its contents, the backends that run it, and its deletion. */
export const imagePage = definePage({
  path: "/service/:account/:service/images/:digest",
  action: "read",
  async show({ env, params: { account, service, digest }, visitor, path }) {
    const owner = serviceStub(env, account, service);
    const [found, running] = await Promise.all([
      owner.getImage(digest, visitor.caller, visitor.actor.environments),
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
          <ImageBackends image={image} page={running.value} visitor={visitor} {...place} />
          <ImageDeletion
            may={permits(visitor.identity, "admin", { service })}
            visitor={visitor}
            path={path}
          />
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
