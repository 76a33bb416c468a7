// The pictures of what was dropped or chosen, those of folders included, each with its path.
const NAMES = /\.(jpe?g|jfif|png|tiff?|bmp|webp)$/i;

export function plain(files) {
  return { pictures: [...files].map((file) => ({ file, path: file.name })), others: 0 };
}

export function ofFolder(files) {
  return sorted([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

export async function dropped(data) {
  const files = [...data.files]; // both are gone once this function has waited
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return plain(files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return sorted(found);
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.slice(1) });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at a time
    if (!part.length) return;
    for (const inner of part) await walk(inner, found);
  }
}

// A folder may hold anything; what is no picture by its name is left out.
function sorted(found) {
  const pictures = found.filter(({ file, path }) => NAMES.test(path) && !file.name.startsWith("."));
  pictures.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  return { pictures, others: found.length - pictures.length };
}
