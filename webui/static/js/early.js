document.documentElement.classList.add("js"); // before the first paint: what needs JavaScript shows at once
