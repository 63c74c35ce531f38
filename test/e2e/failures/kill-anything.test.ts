import { testKills } from "../../support/killable/kills.ts";

// test/soak has the long form.
testKills(20);
