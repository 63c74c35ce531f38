import { testHolders } from "../../support/killable/holders.ts";

// test/soak has the long form.
testHolders(4);
