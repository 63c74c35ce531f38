import type { Result } from "../../../domain/result.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import type { Visitor } from "../frame/page-call.ts";

/** The form that deletes an image, or why the visitor may not. */
export function ImageDeletion({ may, visitor, path }: { may: Result<null>; visitor: Visitor; path: string }) {
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
