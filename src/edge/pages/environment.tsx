import { z } from "zod";
import { ok, type Result } from "../../domain/result.ts";
import { serviceStub } from "../../objects/stubs.ts";
import { image as imageName, note as noteText } from "../../protocol/primitives.ts";
import type { Image } from "../../protocol/v3/images.ts";
import type { Environment, ResolveAnswer, Revision } from "../../protocol/v3/services.ts";
import { parseInput } from "../input.ts";
import { registryHostOf } from "../origin.ts";
import {
  Command,
  Digest,
  durationText,
  Empty,
  Form,
  ImageName,
  shortDigest,
  shortImage,
  Table,
  Time,
} from "./elements.tsx";
import { definePage, type Visitor } from "./page.ts";
import { pathOf } from "./paths.ts";

const imagesOffered = 50;
const revisionsShown = 20;

const pinFields = z.object({
  image: imageName,
  note: z.union([z.literal("").transform(() => undefined), noteText]).optional(),
  revision: z.coerce.number().pipe(z.int().positive()),
});

/** One environment: its pin, with a picker over the images that there are, and every pin before. */
export const environmentPage = definePage({
  path: "/service/:account/:service/environment/:environment",
  action: "read",
  async show({ env, request, params, visitor, path, query }) {
    const { account, service, environment: name } = params;
    const stub = serviceStub(env, account, service);
    const host = registryHostOf(env, request);
    const wish = query.get("image")?.trim() ?? "";
    const [environment, images, history] = await Promise.all([
      stub.getEnvironment(name),
      stub.listImages({ limit: imagesOffered }, host),
      stub.history(name, { limit: revisionsShown, ...cursorOf(query) }),
    ]);
    if (!environment.ok) return environment;
    if (!images.ok) return images;
    if (!history.ok) return history;
    const preview = wish === "" ? null : await stub.resolve(name, { tag: wish });
    return ok({
      title: name,
      trail: [
        { text: "Services", path: pathOf.services() },
        { text: service, path: pathOf.service(account, service) },
      ],
      body: (
        <>
          <Facts account={account} service={service} environment={environment.value} />
          <section aria-labelledby="pin">
            <h2 id="pin">Change the pin</h2>
            {images.value.items.length === 0 ? (
              <Empty what="There is no image to pin yet. Push one:">
                <Command>{`jamsocket push ${service} my-image:v1`}</Command>
              </Empty>
            ) : (
              <Picker path={path} images={images.value.items} chosen={wish} />
            )}
            {preview === null ? null : (
              <Preview
                visitor={visitor}
                path={path}
                environment={environment.value}
                image={wish}
                preview={preview}
              />
            )}
          </section>
          <History
            path={path}
            account={account}
            service={service}
            revisions={history.value.items}
            next={history.value.next}
          />
        </>
      ),
    });
  },
  forms: {
    pin: {
      action: "deploy",
      async submit({ env, request, params, visitor }, fields) {
        const read = parseInput(pinFields, fields, "the pin cannot be changed");
        if (!read.ok) return read;
        const { image, note, revision } = read.value;
        const pinned = await serviceStub(env, params.account, params.service).pin(
          params.environment,
          { image, ...(note === undefined ? {} : { note }) },
          visitor.actor,
          registryHostOf(env, request),
          revision,
        );
        if (!pinned.ok) return pinned;
        const { environment, previous } = pinned.value;
        return ok({
          done: `${environment} is pinned to ${shortImage(image)} now; before it was ${shortImage(previous.image)}.`,
        });
      },
    },
  },
});

function cursorOf(query: URLSearchParams) {
  const cursor = query.get("cursor");
  return cursor === null ? {} : { cursor };
}

function Facts({
  account,
  service,
  environment,
}: {
  account: string;
  service: string;
  environment: Environment;
}) {
  const { settings } = environment;
  return (
    <dl class="facts card">
      <dt>Pinned to</dt>
      <dd>
        <ImageName of={environment.image} />, revision {environment.revision}
      </dd>
      <dt>Runs now</dt>
      <dd>
        {environment.digest === null ? (
          "nothing yet"
        ) : (
          <Digest of={environment.digest} path={pathOf.image(account, service, environment.digest)} />
        )}
      </dd>
      <dt>Cluster</dt>
      <dd>
        {environment.cluster === null ? (
          "none yet"
        ) : (
          <a href={pathOf.cluster(environment.cluster)}>{environment.cluster}</a>
        )}
      </dd>
      <dt>Live</dt>
      <dd>
        <a href={`${pathOf.backends(account, service)}?environment=${environment.name}`}>
          {environment.live_backends} backends
        </a>
      </dd>
      <dt>Limits</dt>
      <dd>
        starts within {secondsText(settings.startup_timeout_seconds)}
        {settings.max_idle_seconds === 0
          ? ", never swept when idle"
          : `, swept after ${secondsText(settings.max_idle_seconds)} without a connection`}
        {settings.lifetime_limit_seconds === undefined
          ? null
          : `, lives at most ${secondsText(settings.lifetime_limit_seconds)}`}
      </dd>
    </dl>
  );
}

function secondsText(seconds: number | undefined): string {
  return durationText((seconds ?? 0) * 1000);
}

/** Choosing shows what would change; nothing is changed by it. */
function Picker({ path, images, chosen }: { path: string; images: readonly Image[]; chosen: string }) {
  const tags = images.flatMap(({ tags, digest }) => tags.map((tag) => ({ tag, digest })));
  return (
    <form method="get" action={path} class="fields" aria-label="Choose an image">
      <label>
        <span>A tag, which follows the most recent push, or a digest, which stays</span>
        <select name="image" required>
          <option value="">Choose an image</option>
          <optgroup label="Tags">
            {tags.map(({ tag, digest }) => (
              <option value={tag} selected={tag === chosen}>
                {tag} ({shortDigest(digest)})
              </option>
            ))}
          </optgroup>
          <optgroup label="Digests, newest first">
            {images.map(({ digest, tags, pushed_at }) => (
              <option value={digest} selected={digest === chosen}>
                {shortDigest(digest)}
                {tags.length > 0 ? ` (${tags.join(", ")})` : ""}, pushed{" "}
                {pushed_at.slice(0, 16).replace("T", " ")}
              </option>
            ))}
          </optgroup>
        </select>
      </label>
      <div>
        <button type="submit">Show what would change</button>
      </div>
    </form>
  );
}

function Preview(props: {
  visitor: Visitor;
  path: string;
  environment: Environment;
  image: string;
  preview: Result<ResolveAnswer>;
}) {
  const { visitor, path, environment, image, preview } = props;
  const digest = preview.ok ? preview.value.digest : null;
  const refusal = preview.ok
    ? preview.value.refusals.find(({ code }) => code === "image_not_found")?.message
    : preview.error.message;
  if (digest === null) {
    return (
      <p class="notice refused" role="alert">
        {refusal ?? `nothing with the name ${image} was pushed`}
      </p>
    );
  }
  const isSame = digest === environment.digest;
  return (
    <section class="panel" aria-labelledby="change">
      <h3 id="change">What changes</h3>
      <Table caption={`Pin of ${environment.name}`} head={["", "Now", "Then"]}>
        <tr>
          <th scope="row">Pinned to</th>
          <td>
            <ImageName of={environment.image} />
          </td>
          <td>
            <ImageName of={image} />
          </td>
        </tr>
        <tr>
          <th scope="row">New sessions run</th>
          <td>{environment.digest === null ? "nothing" : <Digest of={environment.digest} />}</td>
          <td>
            <Digest of={digest} /> {isSame ? "(the same)" : null}
          </td>
        </tr>
      </Table>
      <p>
        {environment.live_backends === 0
          ? "No session is live."
          : `${environment.live_backends} live sessions go on with what they run until they end.`}{" "}
        Sessions that start after the change run what is on the right.
      </p>
      <Form visitor={visitor} path={path} label="Pin">
        <input type="hidden" name="image" value={image} />
        <input type="hidden" name="revision" value={String(environment.revision)} />
        <div class="fields">
          <label>
            <span>Note, for the history (optional)</span>
            <input type="text" name="note" maxlength={200} autocomplete="off" />
          </label>
          <div>
            <button type="submit" name="do" value="pin">
              Pin {environment.name} to {shortImage(image)}
            </button>
          </div>
        </div>
      </Form>
    </section>
  );
}

function History(props: {
  path: string;
  account: string;
  service: string;
  revisions: readonly Revision[];
  next: string | null;
}) {
  const { path, account, service, revisions, next } = props;
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <Table
        caption="Every pin, newest first"
        head={["Revision", "Pinned to", "Resolved to", "When", "By", "Note", ""]}
      >
        {revisions.map((revision) => (
          <tr>
            <th scope="row">{revision.revision}</th>
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
            <td>{revision.by.token_name}</td>
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
      {next === null ? null : <a href={`${path}?cursor=${encodeURIComponent(next)}`}>Earlier pins</a>}
    </section>
  );
}
