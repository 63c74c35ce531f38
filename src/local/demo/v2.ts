import { serve } from "./serve.ts";

serve({
  version: "v2",
  tagline: "Everybody who opens this page shares one counter and, new in v2, one page of notes.",
  accent: "#c2410c",
  background: "#fff5ed",
  hasNotes: true,
});
