// What was analysed in this browser tab; the tab forgets it when it closes.
const KEY = "history";
const LIMIT = 50;
const section = document.getElementById("history");
const rows = document.getElementById("history-rows");

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) || [];
  } catch {
    return []; // storage may be switched off
  }
}

function write(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries.slice(0, LIMIT)));
  } catch {
    // storage may be switched off or full: the page works without
  }
}

export function remember(article) {
  const { name, verdict, percent } = article.dataset;
  write([{ name, verdict, percent, time: Date.now() }, ...read()]);
  showHistory();
}

export function forgetAll() {
  write([]);
  showHistory();
}

export function showHistory() {
  const entries = read();
  section.hidden = entries.length === 0;
  rows.replaceChildren(
    ...entries.map(({ name, verdict, percent, time }) => {
      const row = document.createElement("tr");
      for (const text of [name, verdict, percent || "–", new Date(time).toLocaleTimeString()]) {
        row.insertCell().textContent = text;
      }
      return row;
    }),
  );
}
