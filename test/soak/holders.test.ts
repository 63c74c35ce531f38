import { testHolders } from "../support/killable/holders.ts";
import { soakRounds } from "../support/soak-rounds.ts";

testHolders(soakRounds(30));
