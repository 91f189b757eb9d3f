"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const panel = document.querySelector("dialog");

function choose(cost) {
  for (const part of all("[data-cost]")) part.hidden = part.dataset.cost !== cost;
  for (const part of all("[data-panel]")) part.classList.toggle("chosen", part.dataset.panel === cost);
  for (const button of all("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === cost));
  }
  for (const head of all("th[aria-sort][data-cost]")) follow(head, cost);
}

// A table sorted by a column of one cost model stays sorted by that of the next.
function follow(head, cost) {
  const twin = all(`th[data-cost="${cost}"]`, head.parentNode).find((th) => th.textContent === head.textContent);
  order(twin, head.getAttribute("aria-sort"));
}

function order(head, direction) {
  const body = head.closest("table").tBodies[0];
  const isNumber = head.dataset.sort === "number";
  const sign = direction === "ascending" ? 1 : -1;
  const key = (row) => row.cells[head.cellIndex].dataset.value;
  const compare = (a, b) => (isNumber ? a - b : a.localeCompare(b));
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    return sign * compare(a, b);
  });
  body.append(...rows);
  for (const th of all("th[aria-sort]", head.parentNode)) th.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  rove(body);
}

function toggle(head) {
  const first = head.dataset.sort === "number" && head.cellIndex ? "descending" : "ascending";
  const turned = { ascending: "descending", descending: "ascending" };
  order(head, turned[head.getAttribute("aria-sort")] ?? first);
}

function explain(mark) {
  const says = mark.querySelector("title")?.textContent;
  panel.querySelector("h2").textContent = mark.dataset.name ?? says;
  panel.querySelector(".exact").textContent = mark.dataset.exact ?? (says ? "" : mark.textContent);
  const told = mark.dataset.why.split(" ").map((id) => document.getElementById("why-" + id).cloneNode(true));
  for (const note of told) {
    note.removeAttribute("id");
    note.hidden = false;
  }
  panel.querySelector(".told").replaceChildren(...told);
  panel.showModal();
  panel.scrollTop = 0;
}

// One stop of the tabulator a table, the arrows inside it: a table of a hundred layers has a thousand numbers.
function rove(body) {
  all("a.why", body).forEach((link, i) => { link.tabIndex = i ? -1 : 0; });
}

function move(event) {
  const cell = event.target.closest("tbody td, tbody th");
  const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
  if (!cell || !(down || right)) return;
  const rows = cell.closest("tbody").rows;
  let [i, j] = [cell.parentNode.sectionRowIndex + down, cell.cellIndex + right];
  for (; rows[i]?.cells[j]; i += down, j += right) {
    const link = rows[i].cells[j].hidden ? null : rows[i].cells[j].querySelector("a.why");
    if (!link) continue;
    event.preventDefault();
    link.focus();
    return;
  }
}

document.addEventListener("click", (event) => {
  const mark = event.target.closest("[data-why]");
  const button = event.target.closest("button");
  if (mark) {
    event.preventDefault();
    explain(mark);
  } else if (button?.dataset.choose) {
    choose(button.dataset.choose);
  } else if (button?.closest("thead")) {
    toggle(button.closest("th"));
  } else if (event.target === panel) {
    panel.close();
  }
});
document.addEventListener("keydown", move);
all("tbody").forEach(rove);
choose("0");
