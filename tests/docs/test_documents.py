"""The documents name only what exists: links, paths, modules, targets of make, steps."""

import re
import shlex
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import markdown
import pytest
import yaml
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[2]
ROOMS = (
    *("forgery_pyfunc", "forgery_lab", "forgery", "steps", "serving", "webui", "deploy"),
    *("benchmarks", "tests", "docs", "requirements", "random_split", ".github"),
)
DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "deploy/**/*.md",
        ".github/*.md",
        "forgery/**/*.md",
        "benchmarks/**/*.md",
    )
    for path in ROOT.glob(pattern)
)
EXTENSIONS = ["tables", "fenced_code", "toc"]
SLUGS = {"toc": {"slugify": slugify(case="lower")}}  # as GitHub and mkdocs.yml make them


class Page(HTMLParser):
    """What a rendered document links to and names."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.codes, self.blocks, self.open = set(), [], [], [], []
        self.feed(
            markdown.markdown(
                path.read_text("utf-8"), extensions=EXTENSIONS, extension_configs=SLUGS
            )
        )

    def handle_starttag(self, tag, attrs):
        """Note anchors and links."""
        self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value)
            elif name in ("href", "src"):
                self.links.append(value)
        if tag == "code":
            (self.blocks if "pre" in self.open else self.codes).append("")

    def handle_endtag(self, tag):
        """Leave an element."""
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        """Note what stands in code."""
        if "code" in self.open:
            (self.blocks if "pre" in self.open else self.codes)[-1] += data


@cache
def page(path):
    return Page(path)


def exists(path):
    """Return whether a path, relative to the root, is there."""
    return (ROOT / path).exists()


def commands(path):
    """Return the lines of code of a document, those that go on in the next line joined."""
    code = "\n".join([*page(path).codes, *page(path).blocks])
    return code.replace("\\\n", " ").splitlines()


documents = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
)


@documents
def test_links_lead_to_files_and_headings(document):
    broken = []
    for link in page(document).links:
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        if not exists(target.relative_to(ROOT).as_posix()) or (
            anchor and anchor not in page(target).anchors
        ):
            broken.append(link)
    assert broken == []


@documents
def test_paths_in_code_exist(document):
    rooms = "|".join(re.escape(room) for room in ROOMS)
    paths = [
        code
        for code in page(document).codes
        if re.fullmatch(rf"({rooms})(/[\w.-]+)*/?", code) and "NAME" not in code and "/" in code
    ]
    assert [path for path in paths if not exists(path)] == []


@documents
def test_modules_in_code_exist(document):
    modules = re.findall(r"python -m ([\w.]+)", "\n".join(commands(document)))
    paths = [name.replace(".", "/") for name in modules if name.split(".")[0] in ROOMS]
    assert [p for p in paths if not exists(p) and not exists(f"{p}.py")] == []


@documents
def test_targets_of_make_exist(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", "\n".join(commands(document)))
    assert set(named) - targets == set()


@documents
def test_steps_and_their_parameters_exist(document):
    steps = yaml.safe_load((ROOT / "MLproject").read_text("utf-8"))["entry_points"]
    unknown = []
    for line in commands(document):
        if not line.startswith("mlflow run ."):
            continue
        step = next(iter(re.findall(r"-e (\w+)", line)), "main")
        given = re.findall(r"-P (\w+)=", line)
        if step.islower() and not (step in steps and set(given) <= set(steps[step]["parameters"])):
            unknown.append(line)
    assert unknown == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 200


def test_pre_commit_runs_the_checks_of_make_lint():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    scripts = re.search(r"^SCRIPTS := (.*)$", makefile, re.M)[1]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.M)[1]
    lint = {line.strip().replace("$(SCRIPTS)", scripts) for line in recipe.splitlines()}
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    assert {entry if entry[:5] != "bash " else shlex.split(entry)[2] for entry in entries} == lint
    assert {repo["repo"] for repo in config["repos"]} == {"local"}  # nothing is fetched
