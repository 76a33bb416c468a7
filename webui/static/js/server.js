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
    request.addEventListener("abort", () => reject(failure(0, "Cancelled.")));
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

export async function postForFile(path, form, name) {
  save((await postSoundly(path, form)).body, name);
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

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
