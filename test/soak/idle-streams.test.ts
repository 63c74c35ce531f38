import { soakRounds } from "../support/soak-rounds.ts";
import { testIdleStreams } from "../support/streams/idle-streams.ts";

const rounds = Math.max(2, soakRounds(3));
testIdleStreams({ streams: 10_000, backends: 1, rounds });
testIdleStreams({ streams: 10_000, backends: 1_000, rounds });
