// What a result card can do beyond showing itself: opacity, zoom, ELA quality, reports, feedback.
import { enlivenFeedback } from "./feedback.js";
import { postForFile, postForJson, save } from "./server.js";

export function enliven(article, file) {
  const layers = article.querySelector(".layers");
  wire(article, ".opacity", (value) => {
    for (const overlay of layers.querySelectorAll(".overlay")) overlay.style.opacity = value / 100;
  });
  wire(article, ".zoom", (value, output) => {
    layers.style.width = `${value}%`;
    output.textContent = `${value} %`;
  });
  wireElaQuality(article, file);
  const form = () => formWith(file, { ela_quality: article.querySelector(".quality").value });
  const stem = file.name.replace(/\.[^.]*$/, "") || "picture";
  wireButton(article, ".save-pdf", () =>
    postForFile("/v1/report", form(), `${stem}-report.pdf`),
  );
  wireButton(article, ".save-json", async () => {
    const analysis = await postForJson("/v1/analyze", form());
    const text = JSON.stringify(analysis, null, 2);
    save(new Blob([text], { type: "application/json" }), `${stem}-report.json`);
  });
  enlivenFeedback(article, file);
}

function wire(article, selector, act) {
  const slider = article.querySelector(selector);
  if (!slider) return;
  const output = slider.parentElement.querySelector("output");
  slider.addEventListener("input", () => act(Number(slider.value), output));
  act(Number(slider.value), output);
}

function wireElaQuality(article, file) {
  const slider = article.querySelector(".quality");
  const image = article.querySelector(".view-ela");
  const output = slider.parentElement.querySelector("output");
  slider.addEventListener("input", () => (output.textContent = slider.value));
  slider.addEventListener("change", async () => {
    const asked = slider.value;
    output.textContent = `${asked} …`;
    const form = formWith(file, { views: "ela", ela_quality: asked });
    try {
      const evidence = await postForJson("/v1/evidence", form);
      if (slider.value !== asked) return; // a later choice is on its way
      image.src = evidence.views[0].image;
      output.textContent = asked;
    } catch (error) {
      output.textContent = error.message;
    }
  });
}

function wireButton(article, selector, act) {
  const button = article.querySelector(selector);
  const label = button.textContent;
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "One moment…";
    try {
      await act();
      button.textContent = label;
    } catch (error) {
      button.textContent = `${label}: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  });
}

export function formWith(file, fields = {}) {
  const form = new FormData();
  form.append("file", file, file.name);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}
