import { raw } from "hono/html";
import { Form } from "../elements/form.tsx";
import type { AssetPaths } from "./assets/assets.ts";
import type { Visitor } from "./page-call.ts";
import { closeEventName } from "./stream-events.ts";
import type { View } from "./view.ts";

/** No evaluated code and no added styles; `<details>` that the visitor has opened stay open through a morph. */
const htmxConfig = JSON.stringify({
  includeIndicatorCSS: false,
  morphIgnore: ["data-htmx-powered", "open"],
  history: false,
});

/** A view, with what the document around it needs. */
export interface Shown extends View {
  /** Null before anybody has logged in. */
  visitor: Visitor | null;
  path: string;
  /** The outcome of the last form. */
  notice?: { kind: "done" | "refused"; text: string } | undefined;
  /** The path of the page's live stream; null where it has none. */
  livePath?: string | null;
}

/** A whole page. */
export function Document({
  title,
  body,
  below,
  trail,
  visitor,
  path,
  notice,
  livePath,
  assets,
}: Shown & { assets: AssetPaths }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content={htmxConfig} />
        <title>{title} · Slipway</title>
        <link rel="icon" href={assets["icon.svg"]} />
        <link rel="stylesheet" href={assets["style.css"]} />
        <script src={assets["live.js"]} defer></script>
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the content
        </a>
        {visitor ? <Header visitor={visitor} path={path} /> : <header class="top">{brand}</header>}
        <main id="main" tabindex={-1}>
          {trail && trail.length > 0 ? <Trail trail={trail} /> : null}
          <h1>{title}</h1>
          {notice ? (
            <p class={`notice ${notice.kind}`} role={notice.kind === "refused" ? "alert" : "status"}>
              {notice.text}
            </p>
          ) : null}
          {livePath == null ? (
            body
          ) : (
            <div id="live" hx-sse:connect={livePath} hx-sse:close={closeEventName} hx-swap="innerMorph">
              {body}
            </div>
          )}
          {below}
        </main>
      </body>
    </html>
  );
}

const brand = raw('<strong class="brand">Slipway</strong>');

const places = [
  { path: "/", text: "Services" },
  { path: "/clusters", text: "Clusters" },
  { path: "/events", text: "Events" },
  { path: "/settings", text: "Settings" },
] as const;

function Header({ visitor, path }: { visitor: Visitor; path: string }) {
  return (
    <header class="top">
      {brand}
      <nav aria-label="Main">
        <ul>
          {places.map((place) => (
            <li>
              <a href={place.path} aria-current={path === place.path ? "page" : undefined}>
                {place.text}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="who">
        <span>
          {visitor.identity.account} as {visitor.identity.tokenName}
        </span>
        <Form visitor={visitor} path="/logout">
          <button type="submit" class="plain">
            Log out
          </button>
        </Form>
      </div>
    </header>
  );
}

function Trail({ trail }: { trail: readonly { text: string; path: string }[] }) {
  return (
    <nav class="trail" aria-label="Above this page">
      <ol>
        {trail.map(({ text, path }) => (
          <li>
            <a href={path}>{text}</a>
          </li>
        ))}
      </ol>
    </nav>
  );
}
