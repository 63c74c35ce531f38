import type { Page } from "../../../protocol/v3/list.ts";
import type { Revision } from "../../../protocol/v3/services.ts";
import { Digest, ImageName } from "../elements/image-name.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";

/** An environment's revisions, with how each came about and a way back to what ran then. */
export function PinHistory(props: {
  path: string;
  account: string;
  service: string;
  revisions: Page<Revision>;
}) {
  const { path, account, service, revisions } = props;
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <Table
        caption="Every change of what it runs, newest first"
        head={["Revision", "Kind", "Pinned to", "Resolved to", "When", "By", "Note", "Return"]}
      >
        {revisions.items.map((revision) => (
          <tr>
            <th scope="row">{revision.revision}</th>
            <td>{revision.kind}</td>
            <td>
              <ImageName of={revision.image} />
            </td>
            <td>
              {revision.digest === null ? (
                "nothing yet"
              ) : (
                <Digest of={revision.digest} path={pathOf.image(account, service, revision.digest)} />
              )}
            </td>
            <td>
              <Time at={revision.at} />
            </td>
            <td>{revision.by?.token_name ?? "unknown"}</td>
            <td>{revision.note ?? ""}</td>
            <td>
              {revision.digest === null ? null : (
                <a href={`${path}?image=${encodeURIComponent(revision.digest)}`}>
                  Pin again<span class="unseen"> what revision {revision.revision} resolved to</span>
                </a>
              )}
            </td>
          </tr>
        ))}
      </Table>
      <Paging
        what="changes"
        back="Later changes"
        forward="Earlier changes"
        list={revisions}
        query={new URLSearchParams()}
        path={path}
      />
    </section>
  );
}
