// What a result card can do beyond showing itself: views, opacity, zoom, ELA quality, feedback.
import { enlivenFeedback } from "./feedback.js";
import { getPart, postForNothing } from "./server.js";

export function enliven(article, file, deleted) {
  const layers = article.querySelector(".layers");
  wire(article, ".opacity", (value) => {
    for (const overlay of layers.querySelectorAll(".overlay")) overlay.style.opacity = value / 100;
  });
  wire(article, ".zoom", (value, output) => {
    layers.style.width = `${value}%`;
    output.textContent = `${value} %`;
  });
  for (const time of article.querySelectorAll(".delete time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { timeStyle: "short" });
  }
  wireViews(article);
  wireWhy(article);
  wireDelete(article, deleted);
  if (file) enlivenFeedback(article, file);
}

function wire(article, selector, act) {
  const slider = article.querySelector(selector);
  if (!slider) return;
  const output = slider.parentElement.querySelector("output");
  slider.addEventListener("input", () => act(Number(slider.value), output));
  act(Number(slider.value), output);
}

// A view is drawn when it is asked for first; error levels anew for another quality of the save.
function wireViews(article) {
  const viewer = article.querySelector(".viewer");
  const links = [...viewer.querySelectorAll(".views a")];
  const quality = viewer.querySelector(".quality");

  const show = (name) => {
    viewer.dataset.view = name;
    for (const link of links) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const part of viewer.querySelectorAll(".view, p.explanation")) {
      part.hidden = !part.matches(`.view-${name}, .explain-${name}`);
    }
  };
  const fetchView = async (link, address) => {
    const status = viewer.querySelector(".view-status");
    status.textContent = "Drawing…";
    viewer.setAttribute("aria-busy", "true");
    try {
      const part = await getPart(address);
      for (const old of viewer.querySelectorAll(`.view-${link.dataset.view}, .explain-${link.dataset.view}`)) old.remove();
      viewer.querySelector(".layers").append(...part.querySelectorAll("img"));
      status.before(...part.querySelectorAll("p"));
      status.textContent = "";
    } catch (error) {
      status.textContent = error.message;
    } finally {
      viewer.removeAttribute("aria-busy");
      show(viewer.dataset.view);
    }
  };

  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into another tab or window
      event.preventDefault();
      show(link.dataset.view);
      if (link.dataset.part && !viewer.querySelector(`.explain-${link.dataset.view}`)) fetchView(link, link.dataset.part);
    });
  }
  if (!quality) return;
  const output = quality.parentElement.querySelector("output");
  quality.addEventListener("input", () => (output.textContent = quality.value));
  quality.addEventListener("change", () => {
    const link = links.find((other) => other.dataset.view === "ela");
    fetchView(link, `${link.dataset.part}?ela_quality=${quality.value}`);
    for (const report of article.querySelectorAll(".save-pdf, .save-json")) {
      report.search = `?ela_quality=${quality.value}`;
    }
  });
}

// The reasons take longer than the verdict, so they come after it.
export async function tellWhy(article) {
  const place = article.querySelector(".tell-why");
  if (!place) return;
  const status = place.querySelector("[role=status]");
  status.textContent = "Looking for the reasons…";
  try {
    const part = await getPart(place.querySelector("a").dataset.part);
    showCopies(article, part);
    place.replaceWith(part.querySelector(".why"));
  } catch (error) {
    status.textContent = error.message;
  }
}

function showCopies(article, part) {
  const image = part.querySelector("img");
  if (!image) return;
  article.querySelector(".layers").append(image);
  const choices = article.querySelector(".overlays");
  const choice = part.querySelector("label");
  choice.querySelector("input").name = choices.querySelector("input").name;
  choices.querySelector("legend").after(choice);
  choice.querySelector("input").checked = true;
}

function wireWhy(article) {
  article.querySelector(".tell-why a")?.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    tellWhy(article);
  });
}

function wireDelete(article, deleted) {
  const form = article.querySelector(".delete");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await postForNothing(form.action);
      deleted(article);
    } catch (error) {
      form.querySelector(".hint").textContent = error.message;
    }
  });
}
