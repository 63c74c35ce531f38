import { type Frame, textWidth } from "./figure.tsx";
import { coordinate } from "./scales/linear-scale.ts";

const barHeight = 28;

/** The minimum width of a segment with a number above it. */
export const leastSegment = (frame: Frame) => textWidth(2, frame);

/** Segments side by side on one bar, numbered above. Each draws itself in the rectangle that it gets. */
export function segmentBar(
  segments: readonly { length: number; looks: { class: string; fill?: string } }[],
  frame: Frame,
) {
  const top = frame.font + 6;
  let left = 0;
  const placed = segments.map((segment) => {
    const start = left;
    left += segment.length;
    return { ...segment, start };
  });
  return {
    height: top + barHeight + 2,
    content: (
      <>
        {placed.map(({ start, length, looks }, index) => (
          <>
            <rect
              {...looks}
              x={coordinate(start + 1.5)}
              y={top}
              width={coordinate(Math.max(length - 3, 1))}
              height={barHeight}
            />
            <text x={coordinate(start + length / 2)} y={frame.font} text-anchor="middle">
              {index + 1}
            </text>
          </>
        ))}
      </>
    ),
  };
}

/** Explains that short segments are not to scale. */
export function WidthNote() {
  return (
    <p class="faint">
      Not quite to scale: each is drawn at least as wide as its number needs, however small it is.
    </p>
  );
}
