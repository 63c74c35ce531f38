import { testIdleStreams } from "../../support/streams/idle-streams.ts";

testIdleStreams({ streams: 1_000, backends: 1, rounds: 2 });
