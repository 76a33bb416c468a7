"""A scoring server that only takes time: `python -m tests.stand_ins.slow_scoring PORT SECONDS`.

It answers any number of requests at once, each after so many seconds, as if one picture was asked
for; `/ping` and the question of `/readyz` at once.
"""

import asyncio
import json
import sys

import uvicorn

ANSWER = json.dumps({"predictions": [{"verdict": "authentic", "probability": 0.1}]}).encode()


async def application(scope, receive, send):
    """Answer a request; see https://asgi.readthedocs.io/en/latest/specs/www.html."""
    while (await receive()).get("more_body"):
        pass
    if scope["method"] == "POST" and b"readyz" not in scope["query_string"]:
        await asyncio.sleep(float(sys.argv[2]))
    headers = [(b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(application, port=int(sys.argv[1]), lifespan="off", log_level="error")
