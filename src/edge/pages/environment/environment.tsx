import { z } from "zod";
import { ok } from "../../../domain/result.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import { image as imageName, note as noteText } from "../../../protocol/primitives.ts";
import type { Environment } from "../../../protocol/v3/services.ts";
import { parseInput } from "../../input.ts";
import { serviceChanges } from "../../streams/changes.ts";
import { durationText } from "../elements/amount-text.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { shortImage } from "../elements/image-name.tsx";
import { pathOf } from "../elements/paths.ts";
import { PinFacts } from "../elements/pin-facts.tsx";
import { serviceTrail } from "../elements/trail.ts";
import { definePage } from "../frame/page.ts";
import { PinHistory } from "./pin-history.tsx";
import { NoImage, PinPicker, PinPreview } from "./pin-picker.tsx";

const imagesOffered = 50;
const revisionsShown = 20;

const pinFields = z.object({
  image: imageName,
  note: z.union([z.literal("").transform(() => undefined), noteText]).optional(),
  revision: z.coerce.number().pipe(z.int().positive()),
});

/** One environment: its pin, a picker over the service's images, and its revisions. */
export const environmentPage = definePage({
  path: "/service/:account/:service/environment/:environment",
  action: "read",
  async show({ env, params, visitor, path, query }) {
    const { account, service, environment: name } = params;
    const stub = serviceStub(env, account, service);
    const chosen = query.get("image")?.trim() ?? "";
    const { environments: allowed } = visitor.actor;
    const [detail, images, preview] = await Promise.all([
      stub.environmentDetail(name, { limit: revisionsShown, ...cursorOf(query) }, allowed),
      stub.listImages({ limit: imagesOffered }, visitor.caller),
      chosen === "" ? null : stub.resolve(name, { tag: chosen }, allowed),
    ]);
    if (!detail.ok) return detail;
    if (!images.ok) return images;
    const { environment, resolution, revisions } = detail.value;
    return ok({
      title: name,
      trail: serviceTrail(account, service),
      body: (
        <>
          <Facts account={account} service={service} environment={environment} />
          <NoImage of={resolution} />
          {/* A morph must not reset what the visitor is choosing. */}
          <section id="choice" aria-labelledby="pin" hx-morph-skip="">
            <h2 id="pin">Change the pin</h2>
            {images.value.items.length === 0 ? (
              <Empty what="There is no image to pin yet. Push one:">
                <Command>{`jamsocket push ${service} my-image:v1`}</Command>
              </Empty>
            ) : (
              <PinPicker path={path} images={images.value.items} chosen={chosen} />
            )}
            {preview === null ? null : (
              <PinPreview
                visitor={visitor}
                path={path}
                environment={environment}
                image={chosen}
                preview={preview}
              />
            )}
          </section>
          <PinHistory path={path} account={account} service={service} revisions={revisions} />
        </>
      ),
    });
  },
  changes: ({ env, params: { account, service } }) => serviceChanges(env, account, service),
  forms: {
    pin: {
      action: "deploy",
      async submit({ env, params, visitor }, fields) {
        const read = parseInput(pinFields, fields, "the pin cannot be changed");
        if (!read.ok) return read;
        const { image, note, revision } = read.value;
        const pinned = await serviceStub(env, params.account, params.service).pin(
          params.environment,
          { image, ...(note === undefined ? {} : { note }) },
          { ...visitor.caller, ifMatch: revision },
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
      <PinFacts account={account} service={service} environment={environment} />
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
          {environment.live_backends === 1 ? "1 backend" : `${environment.live_backends} backends`}
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
