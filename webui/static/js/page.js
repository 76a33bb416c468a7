// The page: choosing pictures, sending them, and showing the answers.
import { forgetAll, remember, showHistory } from "./history.js";
import { Item } from "./item.js";
import { enliven } from "./result.js";

const PARALLEL = 2;

const form = document.getElementById("upload");
const input = document.getElementById("file");
const photo = document.getElementById("photo");
const queue = document.getElementById("queue");
const list = document.getElementById("queue-list");
const results = document.getElementById("results");
const status = document.getElementById("status");
const limits = { bytes: Number(form.dataset.maxBytes), files: Number(form.dataset.maxFiles) };
const items = [];
let running = 0;
let chosen = 0;

function choose(files) {
  let left = false;
  for (const file of files) {
    if (items.length >= limits.files) {
      left = true;
      break;
    }
    const item = new Item(file, limits.bytes, { removed: forget, retried: (again) => send(again) });
    item.number = chosen += 1;
    items.push(item);
    list.append(item.element);
  }
  say(left ? `Only ${limits.files} pictures at a time; the others were not added.` : `${items.length} chosen.`);
  refresh();
}

function forget(item) {
  items.splice(items.indexOf(item), 1);
  item.element.remove();
  refresh();
  (items.length ? document.getElementById("analyse") : input).focus();
}

function refresh() {
  queue.hidden = items.length === 0;
  document.getElementById("analyse").disabled = !items.some((item) => item.waiting);
}

function removed(article) {
  article.remove();
  input.focus();
  say(`${article.dataset.name} has been deleted from the server.`);
}

function say(text) {
  status.textContent = text;
}

async function send(item, batch = newBatch()) {
  item.waiting = false;
  refresh();
  running += 1;
  try {
    const article = await item.send();
    place(article, item.number, batch);
    enliven(article, item.file, removed);
    remember(article);
    say(`${item.file.name}: ${article.dataset.verdict}`);
    items.splice(items.indexOf(item), 1);
    item.element.remove();
    refresh();
    if (batch.childElementCount === 1) lead(article);
  } catch (error) {
    say(`${item.file.name}: ${error.message}`);
  } finally {
    running -= 1;
    refresh();
    sendNext();
  }
}

// What was sent together stays together, in the order it was chosen, above what was sent before.
function newBatch() {
  const batch = document.createElement("div");
  results.prepend(batch);
  return batch;
}

function place(article, number, batch) {
  article.dataset.number = number;
  const later = [...batch.children].find((other) => Number(other.dataset.number) > number);
  batch.insertBefore(article, later ?? null);
}

// The first answer takes the place of the introduction, and whoever waits is led to it.
function lead(article) {
  document.body.classList.add("answered");
  const elsewhere = document.activeElement.closest("input, textarea, details");
  if (!elsewhere) article.querySelector("h2").focus({ preventScroll: true });
  article.scrollIntoView({ behavior: "instant" });
}

function sendNext() {
  while (running < PARALLEL) {
    const next = items.find((item) => item.waiting && item.wanted);
    if (!next) return;
    send(next, next.wanted);
  }
}

document.getElementById("analyse").addEventListener("click", () => {
  const batch = newBatch();
  for (const item of items) item.wanted ??= batch;
  sendNext();
});
document.getElementById("clear").addEventListener("click", () => {
  for (const item of [...items]) item.cancel();
  for (const item of [...items]) forget(item);
});
input.addEventListener("change", () => {
  choose(input.files);
  input.value = "";
});
photo.addEventListener("change", () => {
  choose(photo.files);
  photo.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) choose(event.clipboardData.files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  choose(event.dataTransfer.files);
});

document.getElementById("history-clear").addEventListener("click", () => {
  forgetAll();
  input.focus();
});
showHistory();
document.documentElement.classList.add("ready");
