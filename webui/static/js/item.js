// One chosen picture on its way: preview, progress, cancel, failure and retry.
import { failure, post } from "./server.js";

const template = document.getElementById("queue-item");

export class Item {
  constructor(file, path, maxBytes, { removed, retried }) {
    this.file = file;
    this.path = path; // below the folder that was chosen
    this.waiting = true;
    this.number = 0; // position among the chosen pictures
    this.wanted = null; // the batch in which it is to be sent
    this.request = null;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.progress = this.element.querySelector("progress");
    this.note = this.element.querySelector(".item-note");
    this.button = this.element.querySelector(".item-remove");
    this.retry = this.element.querySelector(".item-retry");
    this.element.querySelector(".item-name").textContent = path;
    this.preview();
    this.button.setAttribute("aria-label", `Remove ${file.name}`);
    this.button.addEventListener("click", () => {
      this.cancel();
      removed(this);
    });
    this.retry.addEventListener("click", () => retried(this));
    this.note.textContent = size(file.size);
    if (file.size > maxBytes) {
      this.waiting = false;
      this.fail(`Larger than ${size(maxBytes)}.`, false);
    }
  }

  preview() {
    const image = this.element.querySelector("img");
    const url = URL.createObjectURL(this.file);
    image.addEventListener("load", () => URL.revokeObjectURL(url));
    const kind = /\.(\w{1,4})$/.exec(this.file.name)?.[1].toUpperCase() || "";
    image.addEventListener("error", () => image.replaceWith(kind)); // no preview of this format
    image.src = url;
  }

  cancel() {
    if (this.request) this.request.abort();
  }

  // Resolves with the result card.
  async send() {
    this.element.classList.remove("failed");
    this.retry.hidden = true;
    this.progress.hidden = false;
    this.progress.value = 0;
    this.progress.setAttribute("aria-label", `Progress of ${this.file.name}`);
    this.button.textContent = "Cancel";
    this.button.setAttribute("aria-label", `Cancel ${this.file.name}`);
    this.note.textContent = "Uploading…";
    const form = new FormData();
    form.append("file", this.file, this.file.name);
    form.append("location", "true");
    try {
      const answer = await post("/predict", form, "text/html", {
        started: (request) => (this.request = request),
        sent: (fraction) => {
          if (fraction < 1) this.progress.value = 100 * fraction;
          else {
            this.progress.removeAttribute("value");
            this.note.textContent = "Analysing…";
          }
        },
      });
      const page = new DOMParser().parseFromString(await answer.body.text(), "text/html");
      const article = page.querySelector("article.result:not(.failed)");
      if (article) return document.importNode(article, true);
      throw failure(answer.status, page.querySelector(".error")?.textContent);
    } catch (error) {
      this.fail(error.message, error.again);
      throw error;
    } finally {
      this.request = null;
    }
  }

  fail(message, again) {
    this.element.classList.add("failed");
    this.note.textContent = message;
    this.progress.hidden = true;
    this.retry.hidden = !again;
    this.retry.setAttribute("aria-label", `Try ${this.file.name} again`);
    this.button.textContent = "Remove";
    this.button.setAttribute("aria-label", `Remove ${this.file.name}`);
  }
}

function size(bytes) {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
