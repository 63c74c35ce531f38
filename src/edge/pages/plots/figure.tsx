import type { Child, PropsWithChildren } from "hono/jsx";
import { Table } from "../elements/table.tsx";

/** The size of a drawing, in units of its viewBox, and its font size. */
export interface Frame {
  width: number;
  font: number;
}

/** Two, since text shrinks with its drawing: style.css shows the one whose text is at least 11 px in its place. */
const frames: readonly (Frame & { name: string })[] = [
  { name: "wide", width: 600, font: 14 },
  { name: "narrow", width: 320, font: 12 },
];

/** An upper bound of a text's width in the fonts of the pages, to reserve room for it. */
export function textWidth(characters: number, { font }: Frame): number {
  return characters * font * 0.62;
}

/** Shortened for a drawing; the list and the table below it have the whole text. */
export function shortened(text: string, characters: number): string {
  const all = [...text];
  return all.length <= characters ? text : `${all.slice(0, characters - 1).join("")}…`;
}

export interface TableOfPlot {
  caption: string;
  head: readonly Child[];
  /** The first cell of a row names it. */
  rows: readonly (readonly Child[])[];
}

/**
 * A plot with its heading, its children, and its numbers as a collapsed table.
 * @param essence what it shows, in a sentence: the drawing's text for screen readers
 * @param draw the content of the drawing, and how high it is, for each frame
 */
export function PlotFigure({
  heading,
  essence,
  draw,
  table,
  children,
}: PropsWithChildren<{
  heading: Child;
  essence: string;
  draw(frame: Frame): { height: number; content: Child };
  table: TableOfPlot;
}>) {
  return (
    <figure class="plot">
      <figcaption>{heading}</figcaption>
      {frames.map((frame) => {
        const { height, content } = draw(frame);
        return (
          <svg class={frame.name} viewBox={`0 0 ${frame.width} ${height}`} role="img" aria-label={essence}>
            {content}
          </svg>
        );
      })}
      {children}
      <details>
        <summary>As a table</summary>
        <Table caption={table.caption} head={table.head}>
          {table.rows.map(([name, ...cells]) => (
            <tr>
              <th scope="row">{name}</th>
              {cells.map((cell) => (
                <td>{cell}</td>
              ))}
            </tr>
          ))}
        </Table>
      </details>
    </figure>
  );
}

/** A plot without anything to draw yet. */
export function NothingToPlot({ heading, children }: PropsWithChildren<{ heading: Child }>) {
  return (
    <figure class="plot">
      <figcaption>{heading}</figcaption>
      <p>{children}</p>
    </figure>
  );
}
