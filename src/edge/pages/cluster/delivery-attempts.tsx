import type { DeliveryAttemptView } from "../../../protocol/v3/deliveries.ts";
import { durationText } from "../elements/amount-text.ts";
import { Time } from "../elements/time.tsx";

/** The latest attempt, and all of them in a disclosure if there were several. */
export function Attempts({ attempts }: { attempts: readonly DeliveryAttemptView[] }) {
  const latest = attempts.at(-1);
  if (!latest) return null;
  if (attempts.length === 1) return <Attempt attempt={latest} />;
  return (
    <>
      <Attempt attempt={latest} />
      <details>
        <summary>All {attempts.length} attempts</summary>
        <ol class="attempts">
          {attempts.map((attempt) => (
            <li value={attempt.attempt}>
              <Attempt attempt={attempt} />
            </li>
          ))}
        </ol>
      </details>
    </>
  );
}

function Attempt({ attempt: { time, error, ...answer } }: { attempt: DeliveryAttemptView }) {
  return (
    <>
      <Time at={time} />: {answerText(answer)}
      {error === null ? null : (
        <>
          : <bdi>{error}</bdi>
        </>
      )}
    </>
  );
}

/** The outcome of an attempt, without its error. */
export function answerText({
  status,
  duration_ms,
}: Pick<DeliveryAttemptView, "status" | "duration_ms">): string {
  const answer = status === null ? "no answer" : `answer ${status}`;
  return `${answer} after ${durationText(duration_ms)}`;
}
