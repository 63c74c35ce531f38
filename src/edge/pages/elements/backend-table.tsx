import type { Backend } from "../../../protocol/v3/backends.ts";
import { statusBadge } from "./badges/status-badge.tsx";
import { Digest, ImageName } from "./image-name.tsx";
import { Key } from "./key.tsx";
import { pathOf } from "./paths.ts";
import { Table } from "./table.tsx";
import { Time } from "./time.tsx";

/** Backends of one service, in the order in which they are given. */
export function BackendTable({
  backends,
  account,
  service,
  caption,
}: {
  backends: readonly Backend[];
  account: string;
  service: string;
  caption: string;
}) {
  return (
    <Table
      caption={caption}
      head={[
        "Backend",
        "Environment",
        "Status",
        "Key",
        "Image",
        "Spawned through pin",
        "Fencing token",
        "Created",
      ]}
    >
      {backends.map((backend) => (
        <tr>
          <th scope="row">
            <a href={pathOf.backend(backend.id)}>
              <code>{backend.id}</code>
            </a>
          </th>
          <td>
            <a href={pathOf.environment(account, service, backend.environment)}>{backend.environment}</a>
          </td>
          <td>{statusBadge(backend.status)}</td>
          <td>{backend.key === undefined ? "none" : <Key of={backend.key} />}</td>
          <td>
            <Digest of={backend.image.digest} path={pathOf.image(account, service, backend.image.digest)} />
          </td>
          <td>
            <ImageName of={backend.image.image} />, revision {backend.image.revision}
          </td>
          <td>{backend.fencing_token}</td>
          <td>
            <Time at={backend.created_at} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
