/** How many sessions of an arm have an outcome, and how many of them went wrong. */
export interface Outcomes {
  samples: number;
  failed: number;
}

/** Both arms over a time in which each got the same share of the sessions throughout. */
export interface Comparison {
  canary: Outcomes;
  base: Outcomes;
}

/** The probabilities of consecutive whole numbers, of which `first` is the least. */
interface Distribution {
  first: number;
  probabilities: Float64Array;
}

/** What is less likely is left out: it is beyond what a sum of doubles would show. */
const negligible = 1e-20;

/**
 * How likely the canary's arm has at least as many of the failures as it has, if sessions of both arms fail alike: the p-value of
 * Fisher's exact test, one-sided, stratified by time. That is never too small, however few the sessions are.
 *
 * How likely sessions fail may change between the times and not within them, in both arms alike: an incident in a time in which
 * the canary gets half of the sessions is not held against it (Simpson's paradox), as it would be in the sums of both arms.
 * @see Gart, Point and interval estimation of the common odds ratio in the combination of 2 × 2 tables with fixed marginals,
 *   Biometrika 57 (1970); Agresti, A survey of exact inference for contingency tables, Statistical Science 7 (1992)
 * @example chanceOfSoMany([{ canary: { samples: 20, failed: 3 }, base: { samples: 20, failed: 0 } }]) // 0.115
 */
export function chanceOfSoMany(comparisons: readonly Comparison[]): number {
  const observed = comparisons.reduce((total, { canary }) => total + canary.failed, 0);
  const none: Distribution = { first: 0, probabilities: Float64Array.of(1) };
  const { first, probabilities } = comparisons.map(failuresOfCanary).reduce(sumOf, none);
  const atLeast = probabilities.slice(Math.max(0, observed - first));
  return Math.min(
    1,
    atLeast.reduceRight((total, probability) => total + probability, 0),
  );
}

/** How many of the failures fall on the canary where each session is as likely to be one: the hypergeometric distribution. */
function failuresOfCanary({ canary, base }: Comparison): Distribution {
  const failed = canary.failed + base.failed;
  const total = canary.samples + base.samples;
  const least = Math.max(0, failed - base.samples);
  const most = Math.min(failed, canary.samples);
  /** How much more likely one failure more than `count` is. */
  const growth = (count: number) =>
    ((canary.samples - count) * (failed - count)) / ((count + 1) * (base.samples - failed + count + 1));
  const mode = Math.min(most, Math.floor(((canary.samples + 1) * (failed + 1)) / (total + 2)));

  const below: number[] = [];
  for (let count = mode, weight = 1; count > least && weight > negligible; count--) {
    weight /= growth(count - 1);
    below.push(weight);
  }
  const above: number[] = [];
  for (let count = mode, weight = 1; count < most && weight > negligible; count++) {
    weight *= growth(count);
    above.push(weight);
  }
  const weights = Float64Array.from([...below.reverse(), 1, ...above]);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { first: mode - below.length, probabilities: weights.map((weight) => weight / sum) };
}

/** The distribution of the sum of two independent numbers. */
function sumOf(a: Distribution, b: Distribution): Distribution {
  const probabilities = new Float64Array(a.probabilities.length + b.probabilities.length - 1);
  for (let i = 0; i < a.probabilities.length; i++) {
    const one = a.probabilities[i] ?? 0;
    for (let j = 0; j < b.probabilities.length; j++) {
      probabilities[i + j] = (probabilities[i + j] ?? 0) + one * (b.probabilities[j] ?? 0);
    }
  }
  const isLikely = (probability: number) => probability > negligible;
  const from = probabilities.findIndex(isLikely);
  return {
    first: a.first + b.first + from,
    probabilities: probabilities.subarray(from, probabilities.findLastIndex(isLikely) + 1),
  };
}
