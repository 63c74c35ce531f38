import { html, raw } from "hono/html";
import { pageScript } from "./page-script.ts";
import { pageStyle } from "./page-style.ts";
import type { Session } from "./session.ts";

/** How one version of the demo differs from another. */
export interface Look {
  version: string;
  tagline: string;
  /** CSS colours. */
  accent: string;
  background: string;
  hasNotes: boolean;
}

/** The page of a demo backend. Every address in it is relative, since it is served below `/<id>/<token>/`. */
export function page(look: Look, session: Session, user: string | null): string {
  const colours = `:root { --accent: ${look.accent}; --background: ${look.background}; }`;
  const notes = html`<section class="card">
<h2><label for="notes">Notes</label> <small>new in v2</small></h2>
<textarea id="notes" rows="6" maxlength="4000" placeholder="Write something: everybody here sees it as you type."></textarea>
</section>`;
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hello-world ${look.version} · ${session.environment}</title>
<link rel="icon" href="data:,">
<style>${raw(colours)}${raw(pageStyle)}</style>
</head>
<body>
<header>
<p class="environment">${session.environment}</p>
<h1>hello-world <span>${look.version}</span></h1>
<p>${look.tagline}</p>
</header>
<main>
<section class="card counter">
<h2>Counter</h2>
<output id="count">…</output>
<button id="add" type="button">Add one</button>
</section>
${look.hasNotes ? notes : ""}
<section class="card">
<h2>This session</h2>
<dl>
<dt>Environment</dt><dd>${session.environment}</dd>
<dt>Pin</dt><dd>${session.image}</dd>
<dt>Image</dt><dd><code>${session.digest}</code></dd>
<dt>Key</dt><dd>${session.key ?? html`<em>none</em>`}</dd>
<dt>You</dt><dd>${user ?? html`<em>nobody in particular</em>`}</dd>
<dt>Backend</dt><dd><code>${session.backendId}</code></dd>
</dl>
</section>
</main>
<footer><p id="presence" role="status">Connecting …</p></footer>
<script>${raw(pageScript)}</script>
</body>
</html>
`);
}
