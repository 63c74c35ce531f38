import { soakRounds } from "../support/soak-rounds.ts";
import { testIdleStreams } from "../support/streams/idle-streams.ts";

testIdleStreams({ streams: 10_000, backends: 1, rounds: Math.max(2, soakRounds(2)) });
testIdleStreams({ streams: 10_000, backends: 1_000, rounds: Math.max(2, soakRounds(2)) });
