import type { BackendInfo } from "../../../objects/contract.ts";
import { Command } from "../elements/command.tsx";
import { pathOf } from "../elements/paths.ts";
import { closeEventName } from "../frame/stream-events.ts";
import type { OutputRenderer } from "./output-renderer.ts";
import { outputText } from "./output-text.ts";
import { Part } from "./part.tsx";

/** More lines make a page slow; the log as text has all of them. */
export const linesShown = 500;
const lineMaxCharacters = 2_000;

/** The newest output, filled by its stream. */
export function LogSection({ info }: { info: BackendInfo }) {
  return (
    <section
      id="log"
      aria-labelledby="log-heading"
      hx-sse:connect={pathOf.backendLiveLog(info.id)}
      hx-sse:close={closeEventName}
      hx-swap="none"
    >
      <h2 id="log-heading">Log</h2>
      <p>
        The newest {linesShown} lines of its output;{" "}
        <a href={pathOf.backendLog(info.id)}>all of it as text</a>.
      </p>
      <noscript>
        <p>Shown here where scripts run.</p>
      </noscript>
      <section class="log" tabindex={0} aria-label="Newest output">
        <pre id="log-lines"></pre>
      </section>
      <p id="log-state" class="stream-state" role="status"></p>
      <details>
        <summary>From a terminal</summary>
        <Command>{`jamsocket logs ${info.id}\nnpx slipway backends logs ${info.id}`}</Command>
      </details>
    </section>
  );
}

/** Shows why there is no log. */
export function NoLog({ why }: { why: string }) {
  return <Part into="log-state">{why}</Part>;
}

/**
 * Renders a backend's output for its page. Each stream sends the output from its beginning, and so replaces what an
 * earlier one has sent. Lines beyond the maximum are removed from the page again.
 */
export function logRenderer({ info, hasEnded }: { info: BackendInfo; hasEnded: boolean }): OutputRenderer {
  /** The parts on the page, oldest first. */
  const pieces: { id: string; lines: number }[] = [];
  let shown = 0;
  let rendered = 0;

  return {
    opening: <Part into="log-state">{hasEnded ? "" : "Live: new lines appear as they are printed."}</Part>,
    render(lines) {
      const id = `log-${rendered}`;
      const how = rendered === 0 ? "innerHTML" : "beforeend";
      rendered++;
      pieces.push({ id, lines: lines.length });
      shown += lines.length;
      const dropped: string[] = [];
      while (shown > linesShown) {
        const oldest = pieces.shift();
        if (!oldest) break;
        shown -= oldest.lines;
        dropped.push(oldest.id);
      }
      return (
        <>
          {dropped.map((gone) => (
            <Part into={gone} how="delete" />
          ))}
          <Part into="log-lines" how={how}>
            <span id={id}>{lines.map((line) => `${shownLine(line)}\n`).join("")}</span>
          </Part>
        </>
      );
    },
    closing() {
      if (!hasEnded) return null;
      return rendered > 0 ? (
        <NoLog why="The backend has ended: this is the last of its output." />
      ) : (
        <NoLog why={`The backend has ended, and cluster ${info.cluster} has none of its output.`} />
      );
    },
  };
}

function shownLine(line: string): string {
  const text = outputText(line);
  return text.length > lineMaxCharacters ? `${text.slice(0, lineMaxCharacters).toWellFormed()} …` : text;
}
