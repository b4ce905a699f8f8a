"use strict";

/* Sort the table of results by a column. */
function sortBy(table, heads, column) {
  const falling = heads[column].getAttribute("aria-sort") !== "descending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  const key = row => row.cells[column].dataset.key;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    const order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
    return falling ? -order : order;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => sortBy(table, heads, column)));
}

/* Copy a text; where the browser does not allow it, select the text. */
async function copy(text, status) {
  try {
    await navigator.clipboard.writeText(text.textContent);
    status.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(text);
    status.textContent = "selected: press Ctrl+C";
  }
}

for (const one of document.querySelectorAll(".copy")) {
  const button = one.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", () => copy(one.querySelector("pre"), one.querySelector("[role=status]")));
}

/* Step through the rows of an attention map: buttons, or the arrow keys. */
function stepThrough(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  const columns = [...figure.querySelectorAll("thead th")].slice(1).map(head => head.textContent);
  const status = figure.querySelector("[role=status]");
  let now = -1;
  const show = place => {
    now = Math.max(0, Math.min(rows.length - 1, place));
    rows.forEach((row, number) => row.classList.toggle("now", number === now));
    const weights = [...rows[now].querySelectorAll("td")].map(cell => Number(cell.dataset.weight));
    const order = weights.map((weight, at) => [weight, at]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const most = order.map(([weight, at]) => `${columns[at]} ${(100 * weight).toFixed(0)}%`);
    status.textContent = `${now + 1} of ${rows.length}: ${rows[now].cells[0].textContent} attends to ${most.join(", ")}`;
  };
  const [back, forward] = figure.querySelectorAll(".steps button");
  back.addEventListener("click", () => show(now - 1));
  forward.addEventListener("click", () => show(now + 1));
  figure.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      show(now + step);
    }
  });
  figure.querySelector(".steps").hidden = false;
}

document.querySelectorAll(".weights").forEach(stepThrough);

/* Print what is folded too, except copies and configurations; fold it again afterwards. */
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open], .copies, .config)")];
  opened.forEach(one => { one.open = true; });
});
addEventListener("afterprint", () => opened.forEach(one => { one.open = false; }));
