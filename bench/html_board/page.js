// What the reader chose, kept in the fragment of the address, and the page that follows from it.

const at = (id) => document.getElementById(id);
const NAMES = ["group", "by", "relative", "pruner", "architecture", "search", "sort", "columns", "all"];
const AT_ONCE = 100; // rows; a browser takes a second for a thousand
const byColumns = [...known.columns.keys()].filter((column) => about(column).headline && about(column).higher !== null);
const memory = { key: "", columns: "", rows: [], words: new Map(), elements: new Map(), heads: [] };
let state = read();

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
}

// What is there of what was asked for: a link may be older than the page.
function settled() {
  const group = board.groups.find(({ id }) => id === state.group) ?? board.groups[0];
  const relative = state.relative === "1";
  const view = relative ? group.ratios : group.runs;
  const by = byColumns.includes(state.by) ? state.by : board.by;
  const rows = remembered(group, relative, by, view);
  const first = usual(view, rows);
  const asked = state.columns.split(",");
  const chosen = state.columns ? view.columns.filter((column, i) => i === 0 || asked.includes(column)) : first;
  const column = state.sort.replace("-", "");
  const sort = ["rank", ...chosen].includes(column) ? state.sort : "rank";
  return { group, relative, view, by, rows, first, chosen, sort };
}

function remembered(group, relative, by, view) {
  const key = [group.id, relative, by].join();
  if (memory.key !== key) {
    memory.key = key;
    memory.rows = ranked(view, by);
    memory.words = new Map();
    memory.columns = "";
  }
  return memory.rows;
}

function matching({ rows }) {
  const wanted = words(state.search.toLowerCase());
  const fits = (row, column) => !state[column] || said(column, row.get(column)).text === state[column];
  return rows.filter((row) => fits(row, "pruner") && fits(row, "architecture") && wanted.every((word) => wordsOf(row).includes(word)));
}

function wordsOf(row) {
  if (!memory.words.has(row)) memory.words.set(row, searched(row));
  return memory.words.get(row);
}

function show() {
  const now = settled();
  for (const column of ["pruner", "architecture"]) choices(column, options(now.rows, column));
  const rows = matching(now);
  facts(now);
  controls(now);
  table(now, rows);
  picture(now, rows);
  legends(now);
}

function options(rows, column) {
  return [...new Set(rows.map((row) => said(column, row.get(column)).text))].sort(collator.compare);
}

function choices(column, texts) {
  if (!texts.includes(state[column])) state[column] = "";
  at(`${column}-label`).hidden = texts.length < 2;
  at(column).replaceChildren(make("option", "all", { value: "" }), ...texts.map((text) => make("option", text)));
  at(column).value = state[column];
}

function facts({ group }) {
  at("name").textContent = group.name;
  at("facts").textContent = `Protocol ${group.protocol}, hash ${group.sha256.slice(0, 12)}. Newest run: ${group.newest}.`;
  const hashes = [["protocol", group.sha256], ...Object.entries(group.images)];
  at("hash-list").replaceChildren(...listed(hashes.map(([name, hash]) => [name, `sha256 ${hash}`])));
}

function controls({ group, relative, by, view, chosen, first, rows }) {
  at("group").value = group.id;
  at("by").value = by;
  at("relative").checked = relative;
  if (at("search").value !== state.search) at("search").value = state.search;
  at("explained").textContent = `${titled(by)}: ${explained(by, relative)} Ranks are those among all rows of the group.`;
  at("constant").textContent = constant(view, rows, first);
  at("ticks").replaceChildren(...view.columns.slice(1).map((column) => tick(column, chosen, view)));
}

function tick(column, chosen, view) {
  const label = make("label");
  const box = make("input", "", { type: "checkbox", "data-tick": column });
  box.checked = chosen.includes(column);
  box.addEventListener("change", () => {
    const kept = view.columns.filter((one) => (one === column ? box.checked : chosen.includes(one)));
    change({ columns: kept.join() });
    at("ticks").querySelector(`[data-tick=${column}]`).focus();
  });
  label.append(box, titled(column));
  return label;
}

function table(now, rows) {
  const { chosen, view, relative, sort } = now;
  const columns = ["rank", ...chosen];
  const key = `${relative} ${columns}`;
  if (memory.columns !== key) {
    memory.columns = key;
    memory.elements = new Map();
    memory.heads = columns.map((column) => headOf(column, view.columns[0], relative, press));
    at("head").replaceChildren(...memory.heads);
  }
  const column = sort.replace("-", "");
  sorted(memory.heads, column, sort.startsWith("-"));
  const ordered = [...rows].sort(order(column, sort.startsWith("-")));
  const first = state.all ? ordered : ordered.slice(0, AT_ONCE);
  at("rows").replaceChildren(...first.map((row) => elementOf(row, columns, view.columns[0])));
  at("more").hidden = first.length === rows.length;
  at("more").textContent = `Show all ${rows.length} rows`;
  at("count").textContent = counted(now, rows, first);
}

function elementOf(row, columns, first) {
  if (!memory.elements.has(row)) memory.elements.set(row, rowOf(row, columns, first));
  return memory.elements.get(row);
}

function counted({ view, relative }, rows, first) {
  if (relative && !view.rows.length) return "No run here has a dense run of its seed, architecture and recipe beside it.";
  const part = first.length < rows.length ? `, the first ${first.length} of them shown` : "";
  return `${rows.length} of ${view.rows.length} ${relative ? "means over seeds" : "runs"}${part}.`;
}

// The better end first, then the other.
function press(column) {
  const best = about(column).higher ? `-${column}` : column;
  const other = about(column).higher ? column : `-${column}`;
  change({ sort: settled().sort === best ? other : best });
}

function picture({ rows, by, view }, shown) {
  const pruners = [...new Set(rows.map((row) => row.get("pruner")))].filter((pruner) => pruner !== "dense");
  pruners.sort((a, b) => (a === null) - (b === null) || collator.compare(a, b));
  const reference = rows.filter((row) => !state.architecture || row.get("architecture") === state.architecture);
  const points = chart(at("chart"), { shown, reference, pruners, column: by, first: view.columns[0] });
  const drawn = new Set(points.map((row) => row.get("pruner")));
  at("marks").replaceChildren(...pruners.filter((pruner) => drawn.has(pruner)).map((pruner) => {
    const symbol = draw("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" });
    symbol.append(marked(pruners, pruner));
    const item = make("li");
    item.append(symbol, said("pruner", pruner).text);
    return item;
  }));
}

function legends({ view, rows, relative }) {
  const used = new Set(rows.flatMap((row) => words(row.get("flags"))));
  at("flags").hidden = !used.size;
  at("flag-list").replaceChildren(...listed([...used].map((word) => [word, known.flags.get(word) ?? ""])));
  const columns = ["rank", ...view.columns].map((column) => [titled(column) + arrow(column), explained(column, relative)]);
  const reasons = [...known.reasons].map(([reason, meaning]) => [reason.replaceAll("_", " "), `${reason}: ${meaning}`]);
  at("column-list").replaceChildren(...listed([...columns, ...reasons]));
}

function listed(pairs) {
  return pairs.flatMap(([term, meaning]) => [make("dt", term), make("dd", meaning)]);
}

function change(parts) {
  state = { ...state, search: at("search").value, ...parts };
  show();
  const kept = Object.entries(state).filter(([, value]) => value !== "");
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function listen() {
  for (const name of ["group", "by", "pruner", "architecture"]) {
    at(name).addEventListener("change", () => change({ [name]: at(name).value, ...(name === "group" ? { columns: "" } : {}) }));
  }
  at("relative").addEventListener("change", () => change({ relative: at("relative").checked ? "1" : "", columns: "", sort: "" }));
  let typed = 0;
  at("search").addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => change({}), 120);
  });
  at("every").addEventListener("click", () => change({ columns: settled().view.columns.join() }));
  at("usual").addEventListener("click", () => change({ columns: "" }));
  at("reset").addEventListener("click", () => change(Object.fromEntries(NAMES.slice(1).map((name) => [name, ""]))));
  at("more").addEventListener("click", () => { change({ all: "1" }); document.querySelector(".box").focus(); });
  addEventListener("hashchange", () => { state = read(); show(); });
  addEventListener("resize", () => picture(settled(), matching(settled())));
  addEventListener("beforeprint", () => { at("meanings").open = true; });
}

function start() {
  at("nothing").hidden = board.groups.length > 0;
  at("board").hidden = !board.groups.length;
  at("conventions").textContent = board.conventions;
  at("command").textContent = board.command;
  at("group-label").hidden = board.groups.length < 2;
  at("group").append(...board.groups.map(({ id, name }) => make("option", name, { value: id })));
  at("by").append(...byColumns.map((column) => make("option", titled(column) + arrow(column), { value: column })));
  if (!board.groups.length) return;
  listen();
  show();
}

start();
