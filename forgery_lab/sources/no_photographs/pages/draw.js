// What every page shares: numbers from the page's seed, text of the standard library, photographs.
const query = new URLSearchParams(location.search);
let state = Number(query.get("seed"));
const photographs = Number(query.get("photographs"));

export function random() { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
export const between = (low, high) => low + (high - low) * random();
export const whole = (low, high) => Math.floor(between(low, high + 1));
export const pick = (items) => items[whole(0, items.length - 1)];
export const maybe = (share) => random() < share;
export const many = (count, make = (index) => index) => Array.from({ length: count }, (_, index) => make(index));
export const colour = (saturation = [30, 90], light = [25, 75]) =>
  `hsl(${whole(0, 359)}, ${whole(...saturation)}%, ${whole(...light)}%)`;

const text = await (await fetch("/text.json")).json();
export const paragraph = () => pick(text.paragraphs);
export const code = () => pick(text.sources);
export const sentence = (most = 90) => paragraph().slice(0, whole(25, most)).trim();
export const words = (count) => {
  const all = paragraph().split(/\s+/);
  const start = whole(0, Math.max(0, all.length - count));
  return all.slice(start, start + count).join(" ").replace(/[^\w\s'-]/g, "");
};
export const title = (count = whole(1, 4)) => {
  const line = words(count);
  return line.charAt(0).toUpperCase() + line.slice(1);
};
export const person = () =>
  pick(["Ada", "Bo", "Chen", "Dana", "Emil", "Fatou", "Goran", "Hana", "Ines", "Jun", "Kofi", "Lea"]) +
  " " + pick(["Adler", "Brandt", "Costa", "Diallo", "Eze", "Fischer", "Gupta", "Horn", "Ito", "Kim"]);
export const time = () => `${whole(0, 23)}:${String(whole(0, 59)).padStart(2, "0")}`;
export const date = () => `${whole(1, 28)}/${whole(1, 12)}/${whole(2009, 2026)}`;
export const photograph = () => (photographs ? `/photographs/${whole(0, photographs - 1)}` : "");
export const escaped = (line) =>
  line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export function put(html, into = document.body) {
  into.insertAdjacentHTML("beforeend", html);
}
export async function done() {
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  document.documentElement.dataset.done = "yes";
}
