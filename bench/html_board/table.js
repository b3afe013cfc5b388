// The rows of a group, their ranks, and the table that shows them.

// A row is a map from column to value, with its rank in the whole group; best first.
function ranked(view, by) {
  const rows = view.rows.map((cells) => new Map(view.columns.map((column, i) => [column, cells[i]])));
  const { higher } = about(by);
  const values = rows.map((row) => sortable(by, row.get(by)));
  const best = values.filter((value) => value !== null).sort((a, b) => (higher ? b - a : a - b));
  const places = new Map(best.map((value, i) => [value, i + 1]).reverse()); // the better of equals
  rows.forEach((row, i) => row.set("rank", places.get(values[i]) ?? null));
  return rows.sort(order("rank", false));
}

// All that a search looks at: the words of every cell, and reasons as they are typed.
function searched(row) {
  const told = [...row].map(([column, value]) => `${said(column, value).text} ${typeof value === "string" ? value : ""}`);
  return told.join("\n").toLowerCase();
}

const ALWAYS = ["pruner", "sparsity"];

// What one would look at first: without columns that say the same in every row, or nothing.
function usual(view, rows) {
  const differs = (column) => new Set(rows.map((row) => row.get(column)).filter((value) => value !== null)).size > 1;
  const valued = (column) => rows.some((row) => sortable(column, row.get(column)) !== null);
  return view.columns.filter((column, i) => {
    if (column === "run_id") return false;
    if (i === 0 || ALWAYS.includes(column)) return true;
    return about(column).headline || column === "flags" ? valued(column) : differs(column);
  });
}

// In words, what the columns say that are not shown at first.
function constant(view, rows, first) {
  const left = view.columns.filter((column) => !first.includes(column) && !["flags", "run_id"].includes(column));
  const told = (column) => {
    const cells = rows.map((row) => said(column, row.get(column)));
    return `${titled(column)} ${(cells.find(({ missing }) => !missing) ?? cells[0]).text}`;
  };
  const sentence = (lead, columns) => (columns.length ? `${lead}: ${columns.map(told).join(", ")}. ` : "");
  const numbers = left.filter((column) => about(column).headline);
  return sentence("The same in all that have one", left.filter((column) => !numbers.includes(column))) + sentence("In none", numbers);
}

function cell(column, value, first) {
  const { text, title, missing } = said(column, value);
  const element = make(first ? "th" : "td", column === "flags" ? "" : text);
  if (first) element.scope = "row";
  if (title) element.title = title;
  if (missing) element.classList.add("missing");
  if (column === "flags") element.append(...words(text).map(flag));
  element.classList.add(kind(column, first));
  return element;
}

function flag(word) {
  return make("span", word, { class: "flag", title: known.flags.get(word) ?? "" });
}

function kind(column, first) {
  if (column === "rank") return "rank";
  if (first) return "first";
  return about(column).headline || ["sparsity", "seed", "seeds"].includes(column) ? "number" : "text";
}

function rowOf(row, columns, first) {
  const element = make("tr");
  element.append(...columns.map((column) => cell(column, row.get(column), column === first)));
  return element;
}

function headOf(column, first, relative, press) {
  const element = make("th", "", { scope: "col", class: kind(column, column === first), "data-column": column });
  const button = make("button", titled(column) + arrow(column), { type: "button", title: explained(column, relative) });
  button.addEventListener("click", () => press(column));
  element.append(button);
  return element;
}

function sorted(heads, column, descending) {
  for (const head of heads) {
    if (head.dataset.column === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}
