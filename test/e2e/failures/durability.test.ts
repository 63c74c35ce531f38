import { testDurability } from "../../support/killable/durability.ts";

// test/soak has the long form.
testDurability(3);
