// The page: choosing pictures, sending them, and showing the answers.
import { dropped, ofFolder, plain } from "./folder.js";
import { Item } from "./item.js";
import { enliven, tellWhy } from "./result.js";
import { forget as forgetResult, forgetAll, remember, rememberFailure, show as showTable } from "./table.js";

const PARALLEL = 2;
const MOST = 2000; // pictures at a time
const MOST_CARDS = 5; // of more pictures sent together there is the table alone

const form = document.getElementById("upload");
const input = document.getElementById("file");
const folder = document.getElementById("folder");
const photo = document.getElementById("photo");
const queue = document.getElementById("queue");
const list = document.getElementById("queue-list");
const results = document.getElementById("results");
const chosenNote = document.getElementById("chosen");
const status = document.getElementById("status");
const maxBytes = Number(form.dataset.maxBytes);
const items = [];
let running = 0;
let chosen = 0;

function choose({ pictures, others }) {
  const taken = pictures.slice(0, MOST - items.length);
  const fragment = document.createDocumentFragment();
  for (const { file, path } of taken) {
    const item = new Item(file, path, maxBytes, { removed: forget, retried: (again) => send(again) });
    item.number = chosen += 1;
    items.push(item);
    fragment.append(item.element);
  }
  list.append(fragment);
  const notes = [`${items.length} ${items.length === 1 ? "picture" : "pictures"} chosen.`];
  if (others) notes.push(`${others} other ${others === 1 ? "file was" : "files were"} left out.`);
  if (taken.length < pictures.length) notes.push(`Only ${MOST} pictures at a time; the others were not added.`);
  chosenNote.textContent = notes.join(" ");
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
  forgetResult(article.dataset.result);
  input.focus();
  say(`${article.dataset.name} has been deleted from the server.`);
}

function say(text) {
  status.textContent = text;
}

async function send(item, batch = newBatch(1)) {
  item.waiting = false;
  refresh();
  running += 1;
  try {
    const article = await item.send();
    remember(article, item.path);
    items.splice(items.indexOf(item), 1);
    item.element.remove();
    if (batch.dataset.many) leadToTable();
    else {
      place(article, item.number, batch);
      enliven(article, item.file, removed);
      if (batch.dataset.number === "1") tellWhy(article);
      if (batch.childElementCount === 1) lead(article);
    }
    progressed(batch, `${item.path}: ${article.dataset.verdict}`);
  } catch (error) {
    if (!error.again && !error.cancelled) rememberFailure(item.path, error.message);
    progressed(batch, `${item.path}: ${error.message}`);
  } finally {
    running -= 1;
    refresh();
    sendNext();
  }
}

// Of many pictures only every tenth is announced, and the last.
function progressed(batch, text) {
  batch.dataset.done = Number(batch.dataset.done || 0) + 1;
  const { done, number } = batch.dataset;
  if (batch.dataset.many) chosenNote.textContent = `${done} of ${number} analysed.`;
  if (!batch.dataset.many || done % 10 === 0 || done === number) say(batch.dataset.many ? `${done} of ${number} analysed.` : text);
}

// What was sent together stays together, in the order it was chosen, above what was sent before.
function newBatch(number) {
  const batch = document.createElement("div");
  batch.dataset.number = number;
  if (number > MOST_CARDS) batch.dataset.many = "true";
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

function leadToTable() {
  if (document.body.classList.contains("answered")) return;
  document.body.classList.add("answered");
  document.getElementById("history").scrollIntoView({ behavior: "instant" });
}

function sendNext() {
  while (running < PARALLEL) {
    const next = items.find((item) => item.waiting && item.wanted);
    if (!next) return;
    send(next, next.wanted);
  }
}

document.getElementById("analyse").addEventListener("click", () => {
  const batch = newBatch(items.filter((item) => item.waiting && !item.wanted).length);
  for (const item of items) item.wanted ??= batch;
  sendNext();
});
document.getElementById("clear").addEventListener("click", () => {
  for (const item of [...items]) item.cancel();
  for (const item of [...items]) forget(item);
});
input.addEventListener("change", () => {
  choose(plain(input.files));
  input.value = "";
});
photo.addEventListener("change", () => {
  choose(plain(photo.files));
  photo.value = "";
});
folder.addEventListener("change", () => {
  choose(ofFolder(folder.files));
  folder.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) choose(plain(event.clipboardData.files));
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  form.classList.remove("over");
  choose(await dropped(event.dataTransfer));
});

document.getElementById("history-clear").addEventListener("click", () => {
  forgetAll();
  input.focus();
});
showTable();
document.documentElement.classList.add("ready");
