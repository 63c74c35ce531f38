import { serve } from "./serve.ts";

serve({
  version: "v1",
  tagline: "Everybody who opens this page shares one counter.",
  accent: "#2563eb",
  background: "#eff4ff",
  hasNotes: false,
});
