// Two pictures side by side: one zoom and one place for both.
const stages = [...document.querySelectorAll(".comparison .stage")];
const zoom = document.querySelector(".zoom");
const opacity = document.querySelector(".opacity");

zoom.addEventListener("input", () => {
  for (const stage of stages) stage.querySelector(".layers").style.width = `${zoom.value}%`;
  zoom.parentElement.querySelector("output").textContent = `${zoom.value} %`;
});
opacity?.addEventListener("input", () => {
  for (const overlay of document.querySelectorAll(".overlay")) overlay.style.opacity = opacity.value / 100;
});
for (const stage of stages) {
  stage.addEventListener("scroll", () => {
    const across = stage.scrollLeft / Math.max(1, stage.scrollWidth - stage.clientWidth);
    const down = stage.scrollTop / Math.max(1, stage.scrollHeight - stage.clientHeight);
    for (const other of stages) {
      const left = Math.round(across * (other.scrollWidth - other.clientWidth));
      const top = Math.round(down * (other.scrollHeight - other.clientHeight));
      if (other !== stage && (Math.abs(other.scrollLeft - left) > 1 || Math.abs(other.scrollTop - top) > 1)) other.scrollTo(left, top);
    }
  });
}
document.documentElement.classList.add("ready");
