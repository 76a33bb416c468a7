// Speaking to the server. XMLHttpRequest, because fetch does not report the progress of an upload.

export function post(path, form, accept, { started, sent } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Accept", accept);
    request.responseType = "blob";
    request.upload.addEventListener("progress", (event) => {
      if (sent && event.lengthComputable) sent(event.loaded / event.total);
    });
    request.upload.addEventListener("load", () => sent?.(1));
    request.addEventListener("load", () =>
      resolve({ status: request.status, body: request.response }),
    );
    request.addEventListener("error", () => reject(failure(0)));
    request.addEventListener("abort", () => reject(Object.assign(failure(0, "Cancelled."), { cancelled: true })));
    started?.(request);
    request.send(form);
  });
}

// An Error with a sentence for people; `again` tells whether trying again may help.
export function failure(status, message) {
  const error = new Error(message || "The connection was lost before the answer came.");
  error.again = status === 0 || status === 408 || status === 429 || status >= 500;
  return error;
}

export async function postForJson(path, form) {
  return read(await postSoundly(path, form));
}

async function postSoundly(path, form) {
  const answer = await post(path, form, "application/json");
  if (answer.status === 200) return answer;
  const body = await read(answer);
  throw failure(answer.status, body.error?.message);
}

// A server in between may answer with something else than JSON.
async function read(answer) {
  try {
    return JSON.parse(await answer.body.text());
  } catch {
    throw failure(answer.status, `The server's answer is malformed (HTTP ${answer.status}).`);
  }
}

// A piece of a page, as elements.
export async function getPart(address) {
  const answer = await fetchSoundly(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (answer.ok) return document.importNode(page.body, true);
  throw failure(answer.status, page.querySelector(".error")?.textContent);
}

export async function postForNothing(address) {
  const answer = await fetchSoundly(address, { method: "POST", headers: { Accept: "application/json" }, redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.ok) return;
  const body = await answer.json().catch(() => ({}));
  throw failure(answer.status, body.error?.message);
}

async function fetchSoundly(address, options) {
  try {
    return await fetch(address, options);
  } catch {
    throw failure(0);
  }
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
