// The results of this browser tab as a table: sorted, filtered, saved as CSV, compared by twos.
import { save } from "./server.js";

const KEY = "results";
const LIMIT = 2000;
const FIELDS = ["path", "verdict", "probability", "width", "height", "model_version", "sha256", "error", "address"];
const section = document.getElementById("history");
const rows = document.getElementById("history-rows");
const headings = [...section.querySelectorAll("th[data-key]")];
const kind = document.getElementById("filter-kind");
const name = document.getElementById("filter-name");
const count = document.getElementById("history-count");
const compare = document.getElementById("compare");
const chosen = new Set();
const order = { key: "time", descending: true };
let entries = read();
let due = 0;

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) || [];
  } catch {
    return []; // storage may be switched off
  }
}

function write() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // storage may be switched off or full: the page works without
  }
}

export function remember(article, path) {
  const { verdict, percent, probability, kind, width, height, model, sha256, result, until } = article.dataset;
  add({
    path, headline: verdict, percent, verdict: kind, probability: probability ? Number(probability) : null,
    width: Number(width), height: Number(height), model_version: model, sha256, result, until, error: "",
  });
}

export function rememberFailure(path, error) {
  add({ path, headline: error, percent: "", verdict: "failed", probability: null, error });
}

function add(entry) {
  entries = [{ ...entry, time: Date.now() }, ...entries].slice(0, LIMIT);
  write();
  showSoon();
}

export function forget(result) {
  chosen.delete(result);
  entries = entries.filter((entry) => entry.result !== result);
  write();
  show();
}

export function forgetAll() {
  chosen.clear();
  entries = [];
  write();
  show();
}

// Many results at once are drawn together.
function showSoon() {
  due ||= requestAnimationFrame(show);
}

export function show() {
  cancelAnimationFrame(due);
  due = 0;
  section.hidden = entries.length === 0;
  const wanted = entries.filter(matches).sort(compareBy(order.key, order.descending ? -1 : 1));
  rows.replaceChildren(...wanted.map(toRow));
  count.textContent = wanted.length === entries.length ? `${entries.length} in all.` : `${wanted.length} of ${entries.length} shown.`;
  for (const heading of headings) {
    const here = heading.dataset.key === order.key;
    heading.setAttribute("aria-sort", here ? (order.descending ? "descending" : "ascending") : "none");
  }
  compare.disabled = chosen.size !== 2;
}

function matches(entry) {
  return (!kind.value || entry.verdict === kind.value) && entry.path.toLowerCase().includes(name.value.trim().toLowerCase());
}

// What has no value comes last in either direction.
function compareBy(key, direction) {
  const value = (entry) => (key === "pixels" ? entry.width * entry.height || null : entry[key] || (entry[key] === 0 ? 0 : null));
  return (one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  };
}

function toRow(entry) {
  const row = document.createElement("tr");
  row.className = entry.verdict;
  const kept = entry.result && Date.parse(entry.until) > Date.now();
  row.insertCell().append(kept ? box(entry) : "");
  row.insertCell().append(kept ? link(entry) : entry.path);
  const verdict = row.insertCell();
  verdict.append(Object.assign(document.createElement("span"), { className: "dot" }), entry.headline);
  for (const text of [entry.percent || "–", entry.width ? `${entry.width} × ${entry.height}` : "–", new Date(entry.time).toLocaleTimeString()]) {
    row.insertCell().textContent = text;
  }
  return row;
}

function box(entry) {
  const input = Object.assign(document.createElement("input"), {
    type: "checkbox", name: "result", value: entry.result, checked: chosen.has(entry.result),
  });
  input.setAttribute("aria-label", `Compare ${entry.path}`);
  return input;
}

function link(entry) {
  return Object.assign(document.createElement("a"), { href: `/results/${entry.result}`, textContent: entry.path });
}

function toCsv() {
  const shown = entries.filter(matches).sort(compareBy(order.key, order.descending ? -1 : 1));
  const lines = shown.map((entry) => {
    const values = { ...entry, verdict: entry.error ? "" : entry.verdict, address: entry.result ? `${location.origin}/results/${entry.result}` : "" };
    return FIELDS.map((field) => quoted(values[field])).join(",");
  });
  return [FIELDS.join(","), ...lines].join("\r\n") + "\r\n";
}

// A name must not become a formula in a spreadsheet.
function quoted(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

for (const heading of headings) {
  heading.querySelector("button").addEventListener("click", () => {
    const { key } = heading.dataset;
    order.descending = order.key === key ? !order.descending : ["probability", "pixels", "time"].includes(key);
    order.key = key;
    show();
  });
}
kind.addEventListener("change", show);
name.addEventListener("input", showSoon);
rows.addEventListener("change", ({ target }) => {
  if (target.checked) chosen.add(target.value);
  else chosen.delete(target.value);
  compare.disabled = chosen.size !== 2;
});
compare.addEventListener("click", () => {
  location.assign(`/compare?${new URLSearchParams([...chosen].map((result) => ["result", result]))}`);
});
document.getElementById("history-csv").addEventListener("click", () => {
  save(new Blob(["\ufeff", toCsv()], { type: "text/csv" }), "results.csv"); // with the mark, spreadsheets read UTF-8
});
