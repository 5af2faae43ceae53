// What a page does beyond being read; without it everything can be read all the same.
// A function a feature, each called at the end. Controls that need a script are made by it.
"use strict";

function control(name, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => act(button));
  return button;
}

function say(text) {
  let line = document.querySelector("#said");
  if (!line) {
    line = document.createElement("p");
    line.id = "said";
    line.className = "sr";
    line.setAttribute("role", "status");
    document.body.append(line);
  }
  line.textContent = text;
}

function themeSwitch() {
  const root = document.documentElement;
  const dark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = (button) => (button.textContent = dark() ? "Light page" : "Dark page");
  const button = control("", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    name(button);
  });
  button.classList.add("theme");
  name(button);
  document.querySelector(".tools")?.append(button);
}

// Everything that is folded up; but not what is held back until somebody asks for it by itself.
function openEverything() {
  const folded = () => [...document.querySelectorAll("details:not(.held)")];
  if (!folded().length) return;
  const button = control("Open everything", () => {
    const open = folded().some((part) => !part.open);
    for (const part of folded()) part.open = open;
    button.textContent = open ? "Close everything" : "Open everything";
  });
  button.classList.add("unfold");
  document.querySelector(".tools")?.append(button);
}

// Where the clipboard is out of reach, the text is selected: the keyboard copies it.
async function copied(element) {
  const text = element.textContent;
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by the browser: select it.
    }
  }
  getSelection().selectAllChildren(element);
  return false;
}

function copyButtons() {
  for (const code of document.querySelectorAll(".facts .digest, .digests .digest, .commands code")) {
    const of = code.closest("div")?.querySelector("dt")?.textContent ?? "";
    const button = control("Copy", async () => {
      const word = (await copied(code)) ? "Copied" : "Selected: copy it now";
      button.textContent = word;
      say(`${word}: ${of}`);
      setTimeout(() => (button.textContent = "Copy"), 3000);
    });
    button.classList.add("copy");
    button.setAttribute("aria-label", `Copy: ${of}`);
    code.after(" ", button);
  }
}

// A number at the beginning of the text of a cell, or null. What is beyond a limit is below what is inside.
function leading(text) {
  if (text === "on the limit") return 0;
  const found = /^[^\d]{0,2}?(-?\d+(?:\.\d+)?(?:e-?\d+)?)/i.exec(text);
  return found ? Number(found[1]) * (text.endsWith(" beyond") ? -1 : 1) : null;
}

function before(a, b) {
  const [x, y] = [leading(a), leading(b)];
  if (x !== null && y !== null && x !== y) return x - y;
  if ((x === null) !== (y === null)) return x === null ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortBy(table, heading, column) {
  const up = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  const text = (row) => row.cells[column].textContent.trim();
  const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? 1 : -1) * before(text(a), text(b)));
  table.tBodies[0].append(...rows);
  say(`Sorted by ${heading.textContent.trim()}, ${up ? "rising" : "falling"}`);
}

// Plain tables of more than one row alone: one heading a column, one cell a heading.
function sortableTables() {
  for (const table of document.querySelectorAll("main table")) {
    const headings = table.tHead?.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
    const rows = table.tBodies.length === 1 ? [...table.tBodies[0].rows] : [];
    const plain = [...rows, { cells: headings }].every(
      (row) => row.cells.length === headings.length && [...row.cells].every((cell) => cell.colSpan === 1),
    );
    if (rows.length < 2 || !headings.length || !plain || table.closest(".answers") || table.matches("#runs, .fixed")) continue;
    headings.forEach((heading, column) => {
      const button = control(heading.textContent.trim(), () => sortBy(table, heading, column));
      button.classList.add("sort");
      heading.replaceChildren(button);
    });
  }
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
    const id = `runs-${words.toLowerCase().replace(" ", "-")}`;
    const both = made("div", controls);
    made("label", both, { textContent: words, htmlFor: id });
    return made(tag, both, { id, ...set });
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
openEverything();
copyButtons();
sortableTables();
runIndex();
