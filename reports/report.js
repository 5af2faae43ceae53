// What a page does beyond being read; without it everything can be read all the same.
"use strict";

function themeSwitch() {
  const root = document.documentElement;
  const dark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = document.createElement("button");
  const named = () => (button.textContent = dark() ? "Light page" : "Dark page");
  button.type = "button";
  button.className = "theme";
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    named();
  });
  named();
  document.querySelector(".tools").append(button);
}

// The index: the runs can be filtered, and sorted by any column; those that cannot be trusted stay on top.
function runIndex() {
  const table = document.querySelector("#runs");
  if (!table) return;
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const sortable = table.querySelector(".sortable");
  const heads = [...table.tHead.rows[0].cells];
  const made = (tag, parent, set = {}) => parent.appendChild(Object.assign(document.createElement(tag), set));
  const controls = Object.assign(document.createElement("div"), { className: "controls" });
  const labelled = (tag, words, set) => {
    const label = made("label", controls, { textContent: words });
    return made(tag, label, set);
  };
  const text = labelled("input", "Filter", { type: "search" });
  const verdict = labelled("select", "Verdict");
  verdict.add(new Option("any", ""));
  for (const word of new Set(rows.map((row) => row.dataset.verdict))) verdict.add(new Option(word));
  const by = labelled("select", "Sort by");
  by.parentNode.className = "narrow";
  const said = made("p", controls, { className: "quiet" });
  said.setAttribute("role", "status");

  function filter() {
    const wanted = text.value.trim().toLowerCase();
    for (const row of rows) {
      row.hidden = !(
        row.textContent.toLowerCase().includes(wanted) && (!verdict.value || row.dataset.verdict === verdict.value)
      );
    }
    said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} shown`;
  }

  function sort(column, order) {
    const key = (row) => row.cells[column].dataset.key;
    const number = heads[column].dataset.sort === "number";
    const compare = (a, b) => (number ? key(a) - key(b) : key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
    const sign = order === "ascending" ? 1 : -1;
    sortable.append(...[...sortable.rows].sort((a, b) => sign * compare(a, b)));
    heads.forEach((head, i) => (i === column ? head.setAttribute("aria-sort", order) : head.removeAttribute("aria-sort")));
    by.value = `${column} ${order}`;
  }

  heads.forEach((head, i) => {
    const name = head.textContent;
    for (const order of ["ascending", "descending"]) by.add(new Option(`${name}, ${order}`, `${i} ${order}`));
    head.textContent = "";
    const button = made("button", head, { type: "button", className: "sort", textContent: name });
    button.addEventListener("click", () =>
      sort(i, head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending"),
    );
    if (head.hasAttribute("aria-sort")) by.value = `${i} ${head.getAttribute("aria-sort")}`;
  });
  by.addEventListener("change", () => sort(Number(by.value.split(" ")[0]), by.value.split(" ")[1]));
  text.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  table.parentNode.before(controls);
}

themeSwitch();
runIndex();
