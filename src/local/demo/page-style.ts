export const pageStyle = `
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 3rem 1.25rem 5rem; max-width: 44rem;
  font: 1rem/1.55 system-ui, sans-serif; color: #1c1917; background: var(--background);
}
header { margin-bottom: 2rem; }
h1 { margin: 0.4rem 0 0.25rem; font-size: 2.6rem; line-height: 1.1; letter-spacing: -0.03em; }
h1 span { color: var(--accent); }
h2 { margin: 0 0 0.75rem; font-size: 1rem; }
h2 small { font-weight: 400; color: var(--accent); }
header p { margin: 0; }
.environment {
  display: inline-block; padding: 0.1rem 0.7rem; border-radius: 1rem;
  font-size: 0.85rem; font-weight: 600; color: #fff; background: var(--accent);
}
main { display: grid; gap: 1rem; }
.card { padding: 1.25rem; border-radius: 0.75rem; background: #fff; box-shadow: 0 1px 3px rgb(0 0 0 / 0.12); }
.counter { display: grid; grid-template-columns: 1fr auto; align-items: center; }
.counter h2 { grid-column: 1 / -1; margin: 0; }
output { font-size: 3.5rem; font-weight: 700; line-height: 1.2; font-variant-numeric: tabular-nums; }
button {
  padding: 0.7rem 1.3rem; border: 0; border-radius: 0.5rem;
  font: inherit; font-weight: 600; color: #fff; background: var(--accent); cursor: pointer;
}
button:disabled { opacity: 0.5; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
textarea {
  width: 100%; padding: 0.75rem; border: 1px solid #d6d3d1; border-radius: 0.5rem;
  font: inherit; resize: vertical; background: #fff; color: inherit;
}
dl { display: grid; grid-template-columns: 7rem 1fr; gap: 0.4rem 1rem; margin: 0; }
dt { color: #57534e; }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-size: 0.85em; }
footer { margin-top: 1.5rem; color: #57534e; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.6rem; } }
`;
