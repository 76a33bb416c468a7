// Before the first paint: what needs JavaScript shows at once, what stands in for it goes. Where
// page.js or what it imports cannot be loaded or run, the plain form comes back.
const root = document.documentElement;
const plain = () => {
  if (!root.classList.contains("ready")) root.classList.remove("js");
};
if ("noModule" in HTMLScriptElement.prototype) root.classList.add("js");
addEventListener("error", plain, true); // true: a script that fails to load does not bubble
