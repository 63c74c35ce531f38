import { testKills } from "../support/killable/kills.ts";
import { soakRounds } from "../support/soak-rounds.ts";

testKills(soakRounds(100));
