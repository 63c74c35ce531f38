import { secretRotationOverlapMs } from "../../../domain/limits.ts";
import type { ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { durationText } from "../elements/amount-text.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import { AttemptField } from "../frame/form-attempt.tsx";
import type { Visitor } from "../frame/page-call.ts";

interface Offered {
  cluster: ObservedCluster;
  visitor: Visitor;
  path: string;
}

/** Actions that run at once. */
export function Actions({ cluster, visitor, path }: Offered) {
  return (
    <div class="actions">
      <Form visitor={visitor} path={path}>
        <button type="submit" name="do" value="ping">
          Send a ping
        </button>
      </Form>
      {cluster.default ? null : (
        <Form visitor={visitor} path={path}>
          <button type="submit" name="do" value="make-default" class="plain">
            Make it the default cluster
          </button>
        </Form>
      )}
    </div>
  );
}

/** Actions that need a confirmation. */
export function Changes({ cluster: { name }, visitor, path }: Offered) {
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">Change it</h2>
      <div class="actions">
        <Confirm summary="Rotate the signing secret">
          <p>
            A new secret signs the webhooks from now on, and the newest one before it for another{" "}
            {durationText(secretRotationOverlapMs)}: until then the agent needs the new one. Any older one
            stops at once.
          </p>
          <Form visitor={visitor} path={path}>
            <AttemptField />
            <button type="submit" name="do" value="rotate" class="danger">
              Rotate the signing secret of {name}
            </button>
          </Form>
        </Confirm>
        <Confirm summary="Delete the cluster">
          <p>
            Its agent's token stops working, and its deliveries are forgotten. It cannot be taken back, and is
            refused while an environment names the cluster or a backend is live there.
          </p>
          <Form visitor={visitor} path={path}>
            <button type="submit" name="do" value="delete" class="danger">
              Delete {name}
            </button>
          </Form>
        </Confirm>
      </div>
    </section>
  );
}
