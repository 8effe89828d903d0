"use strict";
// Sorting and filtering; without JavaScript every table is still there, whole.
const LONG = 8; // rows from which on a table can be filtered
const CHOICES = 12; // different texts of a column up to which they can be chosen from a list
const LISTS = 4; // such lists a table
const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const key = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
};
const compare = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, "en", { numeric: true });
};
// A cell's text without the detail below it.
const value = (row, column) => (row.cells[column].firstChild?.textContent ?? "").trim();

// Each head sorts: up, down, and back to the report's own order.
const sortable = (table, rows) => {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = element("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const sorted = [...rows];
      if (was !== "descending") {
        head.setAttribute("aria-sort", was ? "descending" : "ascending");
        sorted.sort((a, b) => compare(key(a, column), key(b, column)));
        if (was) sorted.reverse();
      }
      body.append(...sorted);
    });
  });
};

// Words that a row must hold, and a list for each column of few different texts.
const filterable = (table, rows) => {
  const title = table.caption.textContent.trim();
  const words = element("input", { type: "search", autocomplete: "off" });
  words.setAttribute("aria-controls", table.id);
  const bar = element("div", { className: "filter" });
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", `Filter the table: ${title}`);
  bar.append(element("label", {}, "Rows with ", words));
  const lists = [];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const texts = [...new Set(rows.map((row) => value(row, column)))];
    const repeated = texts.length > 1 && texts.length <= CHOICES && 2 * texts.length <= rows.length;
    if (!repeated || lists.length === LISTS) return;
    // Of numbers only counts, such as levels: nobody chooses a throughput.
    const measured = head.classList.contains("number") && !texts.every((text) => /^[\d,]+$/.test(text));
    if (measured || texts.some((text) => !text || text.length > 60)) return;
    const list = element("select", {}, element("option", { value: "" }, "all"));
    list.append(...texts.map((text) => element("option", { value: text }, text)));
    list.setAttribute("aria-controls", table.id);
    const name = head.textContent.trim();
    bar.append(element("label", {}, `${name} `, list));
    lists.push({ list, column, name });
  });
  const status = element("span", {});
  status.setAttribute("role", "status");
  const clear = element("button", { type: "button", hidden: true }, "Show all");
  bar.append(clear, status);
  table.closest(".table").prepend(bar);
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = lists.filter(({ list }) => list.value);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        !wanted.every((word) => text.includes(word)) ||
        !chosen.every(({ list, column }) => value(row, column) === list.value);
    }
    const said = chosen.map(({ list, name }) => `${name}: ${list.value}`);
    if (wanted.length) said.unshift(`rows with “${wanted.join(" ")}”`);
    const shown = rows.filter((row) => !row.hidden).length;
    const all = `${rows.length} rows`;
    status.textContent = said.length ? `${shown} of ${all}: ${said.join(", ")}` : all;
    clear.hidden = !said.length;
  };
  apply();
  bar.addEventListener("input", apply);
  clear.addEventListener("click", () => {
    words.value = "";
    for (const { list } of lists) list.value = "";
    apply();
    words.focus();
  });
};

for (const table of document.querySelectorAll("table")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 1) sortable(table, rows);
  if (rows.length > LONG) filterable(table, rows);
}
// A folded part opens when a link leads to it, and for printing.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  target.querySelectorAll("details").forEach((part) => (part.open = true));
  target.closest("details")?.setAttribute("open", "");
};
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => (part.open = true));
});
unfold();
