import { imageBackendsListed } from "../../../domain/limits.ts";
import type { Backend } from "../../../protocol/v3/backends.ts";
import type { ImageDetail } from "../../../protocol/v3/images.ts";
import type { Page as ListPage } from "../../../protocol/v3/list.ts";
import { BackendTable } from "../elements/backend-table.tsx";
import { pathOf } from "../elements/paths.ts";
import type { Visitor } from "../frame/page-call.ts";

/** The live backends that run an image, as far as a visitor may see them. */
export function ImageBackends({
  image,
  page: { items, next },
  visitor,
  account,
  service,
}: {
  image: ImageDetail;
  page: ListPage<Backend>;
  visitor: Visitor;
  account: string;
  service: string;
}) {
  // The image's own count includes environments that the visitor may not see.
  const isNarrowed = visitor.actor.environments !== undefined;
  const isCut = image.live_backends.length === imageBackendsListed;
  const more = isNarrowed || isCut ? "More backends" : `${image.live_backends.length - items.length} more`;
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
