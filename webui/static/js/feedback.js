// "This is right / wrong / I know where": with consent, the picture and the judgement are kept.
import { postForJson } from "./server.js";

export function enlivenFeedback(article, file) {
  const form = article.querySelector(".feedback-form");
  if (!form) return;
  const boxes = wireMarking(article, form);
  const status = form.querySelector(".feedback-status");
  const truth = form.querySelector(".truth"); // asked for where the answer does not tell it
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    for (const name of ["left", "top", "right", "bottom"]) data.delete(name);
    if (data.get("opinion") === "where") data.set("boxes", JSON.stringify(boxes));
    if (getComputedStyle(truth).display === "none") data.delete("label");
    data.append("file", file, file.name);
    try {
      const receipt = await postForJson("/v1/feedback", data);
      status.textContent = `Thank you. Your receipt is ${receipt.receipt}; use it to have the picture deleted.`;
      form.querySelector("[type=submit]").disabled = true;
    } catch (error) {
      status.textContent = error.message;
    }
  });
}

// Rectangles as fractions of width and height: drawn with a pointer, or typed.
function wireMarking(article, form) {
  const layers = article.querySelector(".layers");
  const stage = article.querySelector(".stage");
  const note = form.querySelector(".boxes");
  const boxes = [];
  let start = null;
  let drawn = null;

  const marking = () => form.elements.opinion.value === "where";
  form.addEventListener("change", () => {
    stage.classList.toggle("marking", marking());
    if (marking()) article.querySelector(".views [data-view=picture]")?.click();
  });

  const place = (event) => {
    const frame = layers.getBoundingClientRect();
    const within = (value) => Math.min(1, Math.max(0, value));
    return [within((event.clientX - frame.left) / frame.width), within((event.clientY - frame.top) / frame.height)];
  };
  const rectangle = ([ax, ay], [bx, by]) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
  const draw = (element, [left, top, right, bottom]) => {
    element.className = "box";
    Object.assign(element.style, {
      left: `${100 * left}%`, top: `${100 * top}%`,
      width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%`,
    });
  };
  const add = (box) => {
    if (box[2] - box[0] < 0.005 || box[3] - box[1] < 0.005) return false;
    boxes.push(box.map((value) => Math.round(value * 10_000) / 10_000));
    note.textContent = `${boxes.length} ${boxes.length === 1 ? "place" : "places"} marked.`;
    return true;
  };

  layers.addEventListener("pointerdown", (event) => {
    if (!marking()) return;
    event.preventDefault();
    layers.setPointerCapture(event.pointerId);
    start = place(event);
    drawn = layers.appendChild(document.createElement("div"));
  });
  layers.addEventListener("pointermove", (event) => {
    if (start) draw(drawn, rectangle(start, place(event)));
  });
  layers.addEventListener("pointerup", (event) => {
    if (!start) return;
    if (!add(rectangle(start, place(event)))) drawn.remove();
    start = null;
  });
  form.querySelector(".add-box").addEventListener("click", () => {
    const [left, top, right, bottom] = ["left", "top", "right", "bottom"].map((name) => Number(form.elements[name].value) / 100);
    const box = rectangle([left, top], [right, bottom]);
    if (add(box)) draw(layers.appendChild(document.createElement("div")), box);
    else note.textContent = "Enter the edges of a rectangle in percent, from 0 to 100.";
  });
  return boxes;
}
