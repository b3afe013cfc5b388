"use strict";

// From the data to words: what a cell says, how it sorts, what the reader is told on hovering.

const board = JSON.parse(document.getElementById("data").textContent);
const known = {
  columns: new Map(Object.entries(board.columns)),
  flags: new Map(Object.entries(board.flags)),
  reasons: new Map(Object.entries(board.reasons)),
};
const titles = new Map([["slug", "name"], ["run_id", "run"]]);
const collator = new Intl.Collator("en", { numeric: true });
const RANK = { headline: false, higher: false, meaning: "1 for the best of the group in the column that ranks; equal values share a rank." };
const SVG = "http://www.w3.org/2000/svg";

const about = (column) => (column === "rank" ? RANK : known.columns.get(column));
const titled = (column) => known.columns.get(column)?.title ?? titles.get(column) ?? column;
const explained = (column, relative) => (relative && about(column).ratio) || about(column).meaning;

function arrow(column) {
  const { headline, higher } = about(column);
  return !headline || higher === null ? "" : higher ? " ↑" : " ↓";
}

function make(name, text = "", attributes = {}) {
  return filled(document.createElement(name), text, attributes);
}

function draw(name, attributes = {}, text = "") {
  return filled(document.createElementNS(SVG, name), text, attributes);
}

function filled(element, text, attributes) {
  if (text !== "") element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const words = (text) => text.split(/\s+/).filter(Boolean);

function decimal(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e12)) return value.toExponential(2);
  if (size >= 1e4) return Math.round(value).toLocaleString("en");
  return value.toFixed(size < 10 ? 4 : 2);
}

// The words of a cell, whether they stand for a missing value, and the help on it.
function said(column, value) {
  const absent = (text, title = "") => ({ text, title, missing: true });
  if (about(column).headline) {
    if (value === null) return absent("no ratio", "one of the seeds, or its dense run, has no such number");
    if (typeof value === "string") return absent(value.replaceAll("_", " "), `${value}: ${known.reasons.get(value) ?? "not a reason of this version"}`);
    if (typeof value === "number") return { text: decimal(value), title: String(value) };
    const [mean, deviation] = value;
    if (deviation === null) return { text: decimal(mean), title: `${mean}, of one seed` };
    return { text: `${decimal(mean)} ± ${decimal(deviation)}`, title: `${mean} ± ${deviation}` };
  }
  if (value === null) return absent({ rank: "–", sparsity: "not measured" }[column] ?? "not declared");
  return { text: column === "sparsity" ? decimal(value) : String(value), title: "" };
}

// A number or text to sort by; null for what is missing.
function sortable(column, value) {
  if (about(column).headline) return Array.isArray(value) ? value[0] : typeof value === "number" ? value : null;
  if (column !== "trust" || value === null) return value === "" ? null : value;
  const level = board.trust.indexOf(value);
  return level < 0 ? board.trust.length : level;
}

function order(column, descending) {
  return (one, other) => {
    const [a, b] = [one, other].map((row) => sortable(column, row.get(column)));
    if (a === null || b === null) return (a === null) - (b === null);
    const up = typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b);
    return descending ? -up : up;
  };
}
