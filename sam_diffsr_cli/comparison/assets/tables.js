// Tables whose columns sort, and the choice of a metric where there is a table for each.

function sortKey(cell) {
  if (cell.tagName === "TH") return cell.textContent.trim();
  return cell.dataset.value === undefined ? null : parseFloat(cell.dataset.value.replace("inf", "Infinity"));
}

// What has no value comes last either way; equal rows keep their order.
function compareKeys(a, b, sign) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "string") return sign * a.localeCompare(b, undefined, { numeric: true });
  if (a === b) return 0;
  return a < b ? -sign : sign;
}

function sortRows(table, column, direction) {
  const body = table.tBodies[0];
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
  keyed.sort(([a], [b]) => compareKeys(a, b, sign));
  body.append(...keyed.map(([, row]) => row));
  [...table.tHead.rows[0].cells].forEach((head, index) => {
    if (index === column) head.setAttribute("aria-sort", direction);
    else head.removeAttribute("aria-sort");
  });
}

function makeSortable(table, announce) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isUp = head.getAttribute("aria-sort") === "ascending";
      // Numbers are most looked at from the highest, names from the first.
      const first = column === 0 ? "ascending" : "descending";
      const other = isUp ? "descending" : "ascending";
      const direction = head.hasAttribute("aria-sort") ? other : first;
      sortRows(table, column, direction);
      announce(`Sorted by ${button.textContent}, ${direction}`);
    });
  });
}

// Show one metric's table at a time.
function chooseMetric(parent) {
  const tables = [...parent.querySelectorAll(".metric")];
  if (tables.length < 2) return;
  const label = document.createElement("label");
  label.append("Metric ");
  const select = document.createElement("select");
  for (const table of tables) select.add(new Option(table.dataset.metric));
  label.append(select);
  tables[0].before(label);
  const show = () => {
    tables.forEach((table, index) => {
      table.hidden = index !== select.selectedIndex;
    });
  };
  select.addEventListener("change", show);
  show();
}
