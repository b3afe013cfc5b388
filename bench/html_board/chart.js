// Sparsity against one column as a drawing: a colour and a shape for each pruner, dense dashed.

const SHAPES = [
  "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0",
  "M-4.5,-4.5h9v9h-9z",
  "M0,-6L5.7,4.5H-5.7z",
  "M0,-6.5L6.5,0L0,6.5L-6.5,0z",
  "M0,6L5.7,-4.5H-5.7z",
  "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
  "M-5.5,-5.5h11l-11,11h11z",
];
const COLOURS = 6;
const EDGE = { left: 64, right: 16, top: 30, bottom: 40 };

function marked(pruners, pruner) {
  const i = pruners.indexOf(pruner);
  return draw("path", { d: SHAPES[i % SHAPES.length], class: `shape c${i % COLOURS}` });
}

// From the smallest to the largest number, at even steps of 1, 2 or 5 times a power of ten.
function ticks(numbers, about) {
  let [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const spread = high - low || Math.abs(high) * 0.1 || 1;
  [low, high] = [low - spread * 0.08, high + spread * 0.08];
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((times) => times * power >= rough) ?? 10);
  const places = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const marks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) marks.push(i * step);
  const label = (value) => (Math.abs(value) >= 1e4 ? decimal(value) : value.toFixed(places));
  return { low, high, marks, label };
}

function axes(svg, x, y, size) {
  for (const mark of y.marks) {
    svg.append(draw("line", { class: "grid", x1: EDGE.left, x2: size.width - EDGE.right, y1: y.at(mark), y2: y.at(mark) }));
    svg.append(draw("text", { x: EDGE.left - 8, y: y.at(mark) + 4, "text-anchor": "end" }, y.label(mark)));
  }
  const foot = size.height - EDGE.bottom;
  for (const mark of x.marks) {
    svg.append(draw("line", { class: "grid", x1: x.at(mark), x2: x.at(mark), y1: foot, y2: foot + 5 }));
    svg.append(draw("text", { x: x.at(mark), y: foot + 18, "text-anchor": "middle" }, `${x.label(mark)} %`));
  }
  svg.append(draw("text", { x: size.width - EDGE.right, y: size.height - 4, "text-anchor": "end" }, "sparsity"));
}

function scaled(numbers, count, from, to) {
  const scale = ticks(numbers, count);
  return { ...scale, at: (value) => from + ((value - scale.low) / (scale.high - scale.low)) * (to - from) };
}

// Of single networks, as ratios are; several architectures and recipes may be in one group.
function denseLines(rows, value) {
  const lines = new Map();
  for (const row of rows.filter((one) => one.get("pruner") === "dense" && !["ensemble", "bayesian"].includes(one.get("kind")) && value(one) !== null)) {
    const name = `${row.get("architecture")}, ${row.get("recipe") ?? "recipe not declared"}`;
    lines.set(name, [...(lines.get(name) ?? []), value(row)]);
  }
  const means = new Map();
  for (const [name, values] of lines) {
    const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
    means.set(mean, means.has(mean) ? "dense" : lines.size > 1 ? `dense ${name}` : "dense");
  }
  return [...means].map(([mean, name]) => ({ mean, name }));
}

// Draws it anew. `shown` are points, `reference` the rows whose dense ones are drawn.
function chart(svg, { shown, reference, pruners, column, first }) {
  const value = (row) => sortable(column, row.get(column));
  const points = shown.filter((row) => row.get("pruner") !== "dense" && value(row) !== null && row.get("sparsity") !== null);
  const dense = denseLines(reference, value);
  const size = { width: Math.max(280, svg.clientWidth), height: 320 };
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.replaceChildren(draw("title", { id: "chart-title" }, `Sparsity against ${titled(column)}`), draw("desc", { id: "chart-summary" }, summary(points, dense, column, first)));
  svg.append(draw("text", { x: 4, y: 14 }, `${titled(column)}${arrow(column)}`));
  if (points.length + dense.length === 0) {
    svg.append(draw("text", { x: size.width / 2, y: size.height / 2, "text-anchor": "middle" }, "No row here has this number."));
    return points;
  }
  const foot = size.height - EDGE.bottom;
  const x = scaled(points.length ? points.map((row) => row.get("sparsity") * 100) : [0, 100], Math.min(8, size.width / 80), EDGE.left, size.width - EDGE.right);
  const y = scaled([...points.map(value), ...dense.map((line) => line.mean)], 6, foot, EDGE.top);
  axes(svg, x, y, size);
  for (const { mean, name } of dense) {
    svg.append(draw("line", { class: "dense", x1: EDGE.left, x2: size.width - EDGE.right, y1: y.at(mean), y2: y.at(mean) }));
    svg.append(draw("text", { x: EDGE.left + 4, y: y.at(mean) - 5 }, name));
  }
  const hint = draw("text", { id: "hint" });
  const nodes = points.map((row) => point(row, { x, y, value, column, first, pruners, hint, size }));
  svg.append(...nodes, hint);
  roving(svg, nodes);
  return points;
}

function summary(points, dense, column, first) {
  const best = points[0];
  const lead = best ? ` The best by rank is ${label(best, column, first).join(": ")}.` : "";
  const lines = dense.map(({ mean, name }) => ` ${name}: ${decimal(mean)}.`).join("");
  return `${points.length} points.${lead}${lines} The table below has every number.`;
}

function label(row, column, first) {
  return [said(first, row.get(first)).text, `${(row.get("sparsity") * 100).toFixed(1)} %, ${said(column, row.get(column)).text}`];
}

function point(row, { x, y, value, column, first, pruners, hint, size }) {
  const place = { x: x.at(row.get("sparsity") * 100), y: y.at(value(row)) };
  const lines = label(row, column, first);
  const node = draw("g", { class: "point", role: "img", "aria-label": lines.join(": "), tabindex: -1, transform: `translate(${place.x} ${place.y})` });
  const deviation = Array.isArray(row.get(column)) ? row.get(column)[1] : null;
  if (deviation !== null) {
    const half = Math.abs(y.at(value(row) + deviation) - place.y);
    node.append(draw("line", { class: "deviation", y1: -half, y2: half }));
  }
  node.append(marked(pruners, row.get("pruner")));
  for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => tell(hint, lines, place, size));
  for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => hint.replaceChildren());
  return node;
}

// Beside the point, within the drawing.
function tell(hint, lines, place, size) {
  hint.replaceChildren(...lines.map((line) => draw("tspan", {}, line)));
  const spans = [...hint.children];
  const width = Math.max(...spans.map((span) => span.getComputedTextLength()));
  const x = place.x > size.width / 2 ? place.x - 10 - width : place.x + 10;
  const left = Math.max(4, Math.min(x, size.width - 4 - width));
  spans.forEach((span, i) => filled(span, "", { x: left, y: Math.max(14, place.y - 25) + 15 * i }));
}

// One stop of the tab key; arrows go from point to point.
function roving(svg, nodes) {
  nodes[0]?.setAttribute("tabindex", 0);
  svg.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = nodes.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    nodes[at].setAttribute("tabindex", -1);
    const next = nodes[(at + step + nodes.length) % nodes.length];
    next.setAttribute("tabindex", 0);
    next.focus();
  };
}
