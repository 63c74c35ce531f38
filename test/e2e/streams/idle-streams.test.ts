import { testIdleStreams } from "../../support/streams/idle-streams.ts";

testIdleStreams({ streams: 500, backends: 50, rounds: 2 });
