"use strict";
// Sorting: a click on a heading, or Enter on it, sorts its table; another one turns the order around.
for (const table of document.querySelectorAll("table.data")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, place) => heading.firstElementChild.addEventListener("click", () => {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    headings.forEach(other => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const key = row => row.cells[place] && place < row.cells.length ? row.cells[place] : null;
    const compare = (one, other) => {
      const [a, b] = [key(one), key(other)];
      const [x, y] = [a, b].map(cell => cell === null || cell.dataset.value === "" || cell.dataset.value === undefined
        ? NaN : Number(cell.dataset.value));
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1; // what has no value stands last
      const order = Number.isNaN(x) ? (a ? a.textContent : "").localeCompare(b ? b.textContent : "") : x - y;
      return up ? order : -order;
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
// A table that is wider than the window moves under the arrow keys.
for (const frame of document.querySelectorAll(".table")) if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
// Filtering: rows of methods whose name holds the text.
const rows = [...document.querySelectorAll("tr[data-method]")];
const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const text = filter.value.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.dataset.method.includes(text);
  const methods = new Set(rows.filter(row => !row.hidden).map(row => row.dataset.method));
  document.getElementById("shown").textContent = text === "" ? "" : `${methods.size} methods`;
});
// The page follows the system; the button turns it around.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
// A link to runs opens them.
const open = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", open);
open();
// Figures are drawn when they come into view.
const draw = panel => vegaEmbed(panel, JSON.parse(panel.firstElementChild.textContent), { actions: false, renderer: "svg" })
  .then(() => panel.querySelector("svg").setAttribute("aria-hidden", "true")) // the panel has a name, and tables its values
  .catch(error => { panel.textContent = `This figure cannot be drawn: ${error}`; });
const seen = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "600px" });
document.querySelectorAll(".panel").forEach(panel => seen.observe(panel));
addEventListener("beforeprint", () => document.querySelectorAll(".panel > script").forEach(script => draw(script.parentElement)));
