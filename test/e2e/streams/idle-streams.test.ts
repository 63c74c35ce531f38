import { testIdleStreams } from "../../support/streams/idle-streams.ts";

testIdleStreams({ streams: 2_000, backends: 1, rounds: 2 });
