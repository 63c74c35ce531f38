import { testDurability } from "../support/killable/durability.ts";
import { soakRounds } from "../support/soak-rounds.ts";

testDurability(soakRounds(40));
